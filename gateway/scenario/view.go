package scenario

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/publication"
)

// View is what one recipient may hold of one offer by the policy of its
// provider: Capacity if Decision.Allowed, otherwise nothing.
type View struct {
	Provider  Member
	Recipient Member
	Offer     gateway.Offer
	Decision  *gateway.Decision
	Fields    []policy.FieldExplanation // why each field is shown or not, in the order of gateway.Fields
	Capacity  gateway.Capacity
	Cell      gateway.Disclosure // what the matrix that people read shows in this case
}

// Views are what every party is to hold of every offer of another, worked out
// from the files alone for a federation in which all was just published: in the
// order of the members, per offer.
func (s *Scenario) Views(ctx context.Context, now time.Time) ([]View, error) {
	day := gateway.DateOf(now)
	var views []View
	for _, provider := range s.members {
		offers, err := s.Offers(ctx, provider.OIN, day)
		if err != nil {
			return nil, err
		}
		rules, err := s.Policy(provider.OIN, day)
		if err != nil {
			return nil, err
		}
		cells := map[gateway.OIN]*audit.Cells{}
		for _, recipient := range s.members {
			if cells[recipient.OIN], err = audit.NewCells(rules, s.recipient(recipient.OIN, day), day); err != nil {
				return nil, fmt.Errorf("list the matrix of %s: %w", provider.Name, err)
			}
		}
		for _, o := range offers {
			for _, recipient := range s.members {
				if recipient.OIN != provider.OIN {
					v := s.view(rules, provider, recipient, o, now)
					v.Cell = cells[recipient.OIN].Of(&o, day)
					views = append(views, v)
				}
			}
		}
	}
	return views, nil
}

func (s *Scenario) view(rules *policy.Policy, provider, recipient Member, o gateway.Offer, now time.Time) View {
	day := gateway.DateOf(now)
	r := s.recipient(recipient.OIN, day)
	why := rules.Explain(policy.Request{Kind: gateway.KindCapacity, Offer: &o, Recipient: r, Day: day})
	v := View{Provider: provider, Recipient: recipient, Offer: o, Decision: why.Decision, Fields: why.Fields}
	if v.Decision.Allowed {
		v.Capacity = gateway.Project(o, gateway.Sampling{}.Advance(o, now), r, v.Decision.Show)
	}
	return v
}

func (s *Scenario) recipient(oin gateway.OIN, day gateway.Date) gateway.Recipient {
	parties := s.Parties()
	find := func(oin gateway.OIN) (gateway.Party, bool) {
		i := slices.IndexFunc(parties, func(p gateway.Party) bool { return p.OIN == oin })
		if i < 0 {
			return gateway.Party{}, false
		}
		return parties[i], true
	}
	party, _ := find(oin)
	return party.RecipientOn(day, gateway.KindCapacity, find)
}

// Held is what a node says it holds of others.
type Held struct {
	Recipient gateway.OIN
	Sender    gateway.OIN
	Capacity  gateway.Capacity
}

// Compare says, in Dutch, in what the nodes differ from the views: nothing more
// and nothing less may be held, and what was denied must have been denied by the
// same rule. denied is by provider. Empty if all is as it should be.
func Compare(views []View, held []Held, denied map[gateway.OIN][]publication.Denial) []string {
	type key struct {
		recipient, sender gateway.OIN
		offer             string
	}
	holds := map[key]gateway.Capacity{}
	var wrong []string
	for _, h := range held {
		k := key{h.Recipient, h.Sender, h.Capacity.Offer}
		if _, twice := holds[k]; twice {
			wrong = append(wrong, fmt.Sprintf("%s heeft aanbod %s van %s twee keer", k.recipient, k.offer, k.sender))
		}
		holds[k] = h.Capacity
	}
	for _, v := range views {
		k := key{v.Recipient.OIN, v.Provider.OIN, v.Offer.ID}
		got, found := holds[k]
		delete(holds, k)
		where := fmt.Sprintf("%s, aanbod %s van %s: ", v.Recipient.Name, v.Offer.ID, v.Provider.Name)
		switch {
		case found && !v.Decision.Allowed:
			wrong = append(wrong, where+"is daar, maar het beleid staat het niet toe")
		case !found && v.Decision.Allowed:
			wrong = append(wrong, where+"ontbreekt, maar het beleid staat het toe")
		case found && !sameView(got, v.Capacity):
			wrong = append(wrong, where+"is daar anders dan het beleid toestaat")
		case found && len(audit.Outside(got, v.Cell)) > 0:
			wrong = append(wrong, where+"gaat buiten de matrix: "+strings.Join(audit.Outside(got, v.Cell), ", "))
		}
		if by := deniedBy(denied[v.Provider.OIN], v); by != v.Decision.DeniedBy {
			wrong = append(wrong, where+fmt.Sprintf("hoort door %q te zijn tegengehouden, maar het knooppunt meldt %q", v.Decision.DeniedBy, by))
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(holds), func(a, b key) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		wrong = append(wrong, fmt.Sprintf("%s heeft aanbod %s van %s, dat niet bestaat", k.recipient, k.offer, k.sender))
	}
	return wrong
}

func sameView(a, b gateway.Capacity) bool {
	x, _ := a.Encode()
	y, _ := b.Encode()
	return bytes.Equal(x, y)
}

func deniedBy(denied []publication.Denial, v View) string {
	for _, d := range denied {
		if slices.Contains(d.Offers, v.Offer.ID) && slices.Contains(d.Recipients, v.Recipient.OIN) {
			return d.Rule
		}
	}
	return ""
}
