package main

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
	"github.com/doorstroom/doorstroom/policies"
	"github.com/doorstroom/doorstroom/schemas"
)

// initOptions are the flags of init.
type initOptions struct {
	party, name, kind, endpoint string
	gemeenten, anchors          []string
	policy                      string
	worksFor                    []string
	contact                     gateway.Functional
	listen                      config.Listen
}

func newInitCommand(a *app) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init [DIR]",
		Short: "Make a node: its keys, a configuration, a policy to start from",
		Long: `Make the folder of a node: fresh keys, a commented configuration, a policy to
start from, a token for the person who runs the node, and party.json, the entry
that the registrar puts in the register of participants.

DIR is the current folder if you leave it out. Nothing is ever overwritten.`,
		Example: `  doorstroom init /srv/doorstroom --party 00000099000000001000 --name Voorbeeld \
    --kind leerwerkbedrijf --endpoint https://node.voorbeeld.example:8443 \
    --contact Servicepunt --phone "078 000 00 00"
  doorstroom init --party 00000099000000001000 --name Voorbeeld \
    --kind leerwerkbedrijf --endpoint https://node.voorbeeld.example:8443 \
    --phone "078 000 00 00" --policy beschut --works-for gm0637 --works-for gm1916
  doorstroom init --party 00000099000000002000 --name "Gemeente Voorbeeld" \
    --kind gemeente --gemeente gm0482 --endpoint https://node.gemeente.example:8443 \
    --email doorstroom@gemeente.example --anchor KEY-ID-OF-THE-REGISTRAR`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			return a.initNode(dir, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.party, "party", "", "OIN of your organisation, 20 positions")
	f.StringVar(&o.name, "name", "", "name of your organisation, as others know it")
	f.StringVar(&o.kind, "kind", "", kinds())
	f.StringSliceVar(&o.gemeenten, "gemeente", nil, "gemeente code that this party is, such as gm0482; more than once if need be")
	f.StringVar(&o.endpoint, "endpoint", "", "where other nodes reach this one: https://host:port")
	f.StringVar(&o.contact.Name, "contact", "", "function that answers for the node, such as Servicepunt; not a person (default: --name)")
	f.StringVar(&o.contact.Phone, "phone", "", "telephone number of the contact; this or --email")
	f.StringVar(&o.contact.Email, "email", "", "e-mail address of the contact; this or --phone")
	f.StringVar(&o.policy, "policy", "", "policy to start from: "+strings.Join(policies.Models(), ", ")+" (default: that of the kind)")
	f.StringSliceVar(&o.worksFor, "works-for", nil, "gemeente code for which a policy of a model says you work; more than once if there are more")
	f.StringSliceVar(&o.anchors, "anchor", nil, "id of a key that signs the register; more than once if there are more")
	f.StringVar(&o.listen.Peers, "listen-peers", "", "address for other nodes (default: the port of --endpoint, else \""+config.Default().Listen.Peers+"\")")
	f.StringVar(&o.listen.Public, "listen-public", "", "address for the description of the API (default: not served)")
	f.StringVar(&o.listen.Ops, "listen-ops", "", "address for health and metrics (default \""+config.Default().Listen.Ops+"\")")
	for _, name := range []string{"party", "name", "kind", "endpoint"} {
		_ = cmd.MarkFlagRequired(name) // fails only for a flag that does not exist
	}
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(partyKinds(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func partyKinds() []string {
	var names []string
	for _, k := range gateway.PartyKinds() {
		names = append(names, string(k))
	}
	return names
}

func kinds() string { return strings.Join(partyKinds(), ", ") }

func (a *app) initNode(dir string, o initOptions) error {
	now := time.Now()
	plan, err := o.plan(now)
	if err != nil {
		return err
	}
	party, err := node.Create(dir, plan, now)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, node.ConfigFile)
	fmt.Fprintf(a.stdout, "Made a node for %s (%s) in %s:\n", party.Name, party.OIN, dir)
	for _, made := range [][2]string{
		{node.ConfigFile, "its configuration, with every key explained"},
		{node.PolicyFile, "who may see what: read and change it before you publish"},
		{node.ExpectFile, "what you expect of it: change it along; see doorstroom policy test"},
		{node.PartyFile, "your entry for the register; it holds no secrets"},
		{node.TokenFile, "secret: whoever can read it can use this node"},
		{"data/keys", "secret: the keys of this party; back them up, apart from the rest"},
		{node.VaultKeyFile, "secret: without it nobody can read personal data; back it up apart from all"},
	} {
		fmt.Fprintf(a.stdout, "  %-16s %s\n", made[0], made[1])
	}
	fmt.Fprintf(a.stdout, "The id of your signing key is %s\n\nNext:\n", party.SigningKeys[0].KID)
	fmt.Fprintf(a.stdout, "  1. Send %s to your registrar, and read out the id of your key by telephone.\n", filepath.Join(dir, node.PartyFile))
	if len(o.anchors) == 0 {
		fmt.Fprintf(a.stdout, "  2. Put the signed register in %s, and the id of the registrar's key in register.anchors.\n", filepath.Join(dir, "register.jws"))
	} else {
		fmt.Fprintf(a.stdout, "  2. Put the signed register in %s.\n", filepath.Join(dir, "register.jws"))
	}
	fmt.Fprintf(a.stdout, "  3. Run the node: doorstroom run --config %s\n", file)
	return nil
}

// plan checks the flags against the register's own rules, so that the registrar
// does not have to send the entry back.
func (o initOptions) plan(now time.Time) (node.Plan, error) {
	party, err := gateway.ParseOIN(o.party)
	if err != nil {
		return node.Plan{}, usagef("--party: %s", gateway.SafeMessage(err))
	}
	plan := node.Plan{
		Party: party, Name: o.name, Kind: gateway.PartyKind(o.kind), Endpoint: o.endpoint,
		Contact: o.contact, Listen: o.listen, Anchors: o.anchors,
	}
	plan.Contact.Name = cmp.Or(plan.Contact.Name, o.name)
	plan.Listen.Peers = cmp.Or(plan.Listen.Peers, portOf(o.endpoint))
	if plan.Contact.Phone == "" && plan.Contact.Email == "" {
		return node.Plan{}, usagef("say how to reach the contact: --phone \"078 000 00 00\" or --email servicepunt@voorbeeld.example")
	}
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		return node.Plan{}, err
	}
	for _, code := range o.gemeenten {
		if err := lists.Check("gemeente", code, gateway.DateOf(now)); err != nil {
			return node.Plan{}, usagef("--gemeente: %s", gateway.SafeMessage(err))
		}
		plan.Gemeenten = append(plan.Gemeenten, gateway.GemeenteFor{Code: gateway.Gemeente(code)})
	}
	if plan.Kind == gateway.GemeenteKind && len(plan.Gemeenten) == 0 {
		return node.Plan{}, usagef("a gemeente needs its code: --gemeente gm0482")
	}
	if err := o.template(&plan, lists, gateway.DateOf(now)); err != nil {
		return node.Plan{}, err
	}
	if plan.Kind == gateway.Leerwerkbedrijf && len(plan.Gemeenten) > 0 {
		return node.Plan{}, usagef("--gemeente is for parties that are a gemeente; where places are is in your export")
	}
	return plan, checkEntry(plan, now)
}

// template chooses the policy to start from.
func (o initOptions) template(plan *node.Plan, lists gateway.CodeLists, today gateway.Date) error {
	if o.policy != "" && (plan.Kind != gateway.Leerwerkbedrijf || !slices.Contains(policies.Models(), o.policy)) {
		return usagef("--policy: for a leerwerkbedrijf, one of %s", strings.Join(policies.Models(), ", "))
	}
	plan.Template = cmp.Or(o.policy, string(plan.Kind))
	asked, err := policies.Gemeenten(plan.Template)
	switch n := len(o.worksFor); {
	case err != nil:
		return nil // of a kind that is unknown more is said elsewhere
	case asked == 0 && n > 0:
		return usagef("--works-for goes with --policy, and one of %s", strings.Join(policies.Models(), ", "))
	case asked < 0 && n == 0:
		return usagef("--policy %s needs the gemeenten you work for: --works-for gm0637", o.policy)
	case asked > 0 && asked != n:
		return usagef("--policy %s needs %d times --works-for: see its description in policies/README.md", o.policy, asked)
	}
	for _, code := range o.worksFor {
		if err := lists.Check("gemeente", code, today); err != nil {
			return usagef("--works-for: %s", gateway.SafeMessage(err))
		}
		plan.WorksFor = append(plan.WorksFor, gateway.Gemeente(code))
	}
	return nil
}

// portOf is the address to listen on for who comes to an endpoint, or "" if the
// endpoint names no port: 443 is seldom the node's own.
func portOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Port() == "" {
		return ""
	}
	return ":" + u.Port()
}

// checkEntry asks the register what it thinks of the entry, with keys that are
// thrown away.
func checkEntry(p node.Plan, now time.Time) error {
	key, err := seal.GenerateKey()
	if err != nil {
		return err
	}
	public := key.Public(now)
	doc := register.New([]register.Signer{{Name: "none", Key: public}}, 1, now)
	err = register.Check(register.Add(doc, gateway.Party{
		OIN: p.Party, Name: p.Name, Kind: p.Kind, Gemeenten: p.Gemeenten, Endpoint: p.Endpoint,
		SigningKeys: []gateway.Key{public}, Contact: p.Contact,
	}))
	if err != nil {
		_, problem, _ := strings.Cut(gateway.SafeMessage(err), ": ")
		return usagef("%s", problem)
	}
	return nil
}
