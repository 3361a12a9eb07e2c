package rest

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
)

const (
	pathReferrals     = "/v1/referrals"
	pathReferral      = "/v1/referrals/read"
	pathAskReferral   = "/v1/referrals/ask"
	pathHandOver      = "/v1/referrals/handover"
	pathCommit        = "/v1/referrals/act"
	pathEraseReferral = "/v1/referrals/erase"
	pathWaitingList   = "/v1/referrals/waiting"
	pathRetention     = "/v1/retention"
)

// Referrals is a list in an object, so that something can be added beside it.
type Referrals struct {
	Referrals []desk.ReferralLine `json:"referrals"`
}

// ReferralID names a referral: its id, or the beginning of one.
type ReferralID struct {
	Referral string `json:"referral"`
}

// WaitingList is who waits for an own offer, in order.
type WaitingList struct {
	Waiting []desk.Waiter `json:"waiting"`
}

// filterInput is text that is read here: huma's errors for parameters repeat them.
type filterInput struct {
	Open    string `query:"open" doc:"true: those that have not ended"`
	Overdue string `query:"overdue" doc:"true: those of which the next step was due before today"`
	Mine    string `query:"mine" doc:"true: those of which the next step is for this node"`
	Status  string `query:"status" doc:"code of code list verwijsstatus"`
	Offer   string `query:"offer" doc:"id of an offer"`
	Party   string `query:"party" doc:"OIN of the other side"`
}

func (in filterInput) parse() (filter desk.ReferralFilter, err error) {
	filter = desk.ReferralFilter{Status: gateway.ReferralStatus(in.Status), Offer: in.Offer, Party: gateway.OIN(in.Party)}
	for _, flag := range []struct {
		text string
		to   *bool
	}{{in.Open, &filter.Open}, {in.Overdue, &filter.Overdue}, {in.Mine, &filter.Mine}} {
		if flag.text == "" {
			continue
		}
		if *flag.to, err = strconv.ParseBool(flag.text); err != nil {
			return filter, gateway.Errorf(gateway.Invalid, "open, overdue and mine are true or false")
		}
	}
	return filter, nil
}

type offerInput struct {
	Offer string `query:"offer" doc:"id of an own offer"`
}

func referralRoutes(a api, d *desk.Desk) {
	get(a, huma.Operation{
		OperationID: "listReferrals", Path: pathReferrals, Summary: "Referrals of both sides: where each stands, and whose the next step is",
		Description: "What is due first comes first. Nothing in it is of the need, or of whom a referral is about.",
	}, []int{http.StatusBadRequest}, func(ctx context.Context, in filterInput) (output[Referrals], error) {
		filter, err := in.parse()
		if err != nil {
			return output[Referrals]{}, err
		}
		list, err := d.ListReferrals(ctx, callerIn(ctx), filter)
		return output[Referrals]{Referrals{append([]desk.ReferralLine{}, list...)}}, err
	})
	post(a, huma.Operation{
		OperationID: "refer", Path: pathReferrals, Summary: "Ask a place for somebody",
		Description: "The offer must be shown to this party today, and policy must let the need go; what it does not let go is left out, and told.",
	}, []int{http.StatusNotFound, http.StatusConflict}, func(ctx context.Context, in desk.NewReferral) (desk.ReferralAsked, error) {
		return d.Refer(ctx, callerIn(ctx), in)
	})
	post(a, huma.Operation{
		OperationID: "readReferral", Path: pathReferral, Summary: "One referral, with its need and what was handed over",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in ReferralID) (desk.ReferralDetail, error) {
		return d.ReadReferral(ctx, callerIn(ctx), in.Referral)
	})
	actRoutes(a, d)
}

func actRoutes(a api, d *desk.Desk) {
	refusals := []int{http.StatusNotFound, http.StatusConflict}
	post(a, huma.Operation{
		OperationID: "askReferral", Path: pathAskReferral, Summary: "Ask the provider to withdraw, cancel or plan again",
	}, refusals, func(ctx context.Context, in desk.ReferralRequest) (desk.ReferralAsked, error) {
		return d.AskReferral(ctx, callerIn(ctx), in)
	})
	post(a, huma.Operation{
		OperationID: "handOver", Path: pathHandOver, Summary: "Give the provider what guidance needs to know of a person",
		Description: "Possible once a place is certain, and as far as policy lets it go.",
	}, refusals, func(ctx context.Context, in desk.NewHandover) (desk.ReferralAsked, error) {
		return d.HandOver(ctx, callerIn(ctx), in)
	})
	post(a, huma.Operation{
		OperationID: "commitReferral", Path: pathCommit, Summary: "Take a step as provider",
		Description: "Accepting books all dagdelen of the referral at once; where that is not possible it is a conflict that says where there is no place.",
	}, refusals, func(ctx context.Context, in desk.ReferralCommit) (desk.ReferralLine, error) {
		return d.CommitReferral(ctx, callerIn(ctx), in)
	})
	post(a, huma.Operation{
		OperationID: "eraseReferral", Path: pathEraseReferral, Summary: "Erase a referral that has ended, before its term",
	}, refusals, func(ctx context.Context, in ReferralID) (ReferralID, error) {
		return in, d.EraseReferral(ctx, callerIn(ctx), in.Referral)
	})
	get(a, huma.Operation{
		OperationID: "retentionReport", Path: pathRetention, Summary: "Which referrals are due to be erased, which are held and why, and which were erased",
	}, nil, func(ctx context.Context, _ noInput) (output[desk.RetentionReport], error) {
		report, err := d.RetentionReport(ctx, callerIn(ctx))
		return output[desk.RetentionReport]{report}, err
	})
	get(a, huma.Operation{
		OperationID: "waitingList", Path: pathWaitingList, Summary: "Who waits for an own offer, in order, and who was passed over",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in offerInput) (output[WaitingList], error) {
		list, err := d.WaitingList(ctx, callerIn(ctx), in.Offer)
		return output[WaitingList]{WaitingList{append([]desk.Waiter{}, list...)}}, err
	})
}

// RetentionReport is what is due to be erased, what is held and why, and what was
// erased.
func (c *LocalClient) RetentionReport(ctx context.Context) (desk.RetentionReport, error) {
	return ask[desk.RetentionReport](ctx, c, http.MethodGet, pathRetention, nil)
}

// Referrals lists referrals of both sides, what is due first first.
func (c *LocalClient) Referrals(ctx context.Context, filter desk.ReferralFilter) ([]desk.ReferralLine, error) {
	q := url.Values{}
	for name, on := range map[string]bool{"open": filter.Open, "overdue": filter.Overdue, "mine": filter.Mine} {
		if on {
			q.Set(name, "true")
		}
	}
	for name, text := range map[string]string{"status": string(filter.Status), "offer": filter.Offer, "party": string(filter.Party)} {
		if text != "" {
			q.Set(name, text)
		}
	}
	list, err := ask[Referrals](ctx, c, http.MethodGet, pathReferrals+"?"+q.Encode(), nil)
	return list.Referrals, err
}

// Refer asks a place for somebody.
func (c *LocalClient) Refer(ctx context.Context, n desk.NewReferral) (desk.ReferralAsked, error) {
	return ask[desk.ReferralAsked](ctx, c, http.MethodPost, pathReferrals, n)
}

// Referral reads one, with its need and what was handed over.
func (c *LocalClient) Referral(ctx context.Context, id string) (desk.ReferralDetail, error) {
	return ask[desk.ReferralDetail](ctx, c, http.MethodPost, pathReferral, ReferralID{id})
}

// AskReferral asks the provider to withdraw, cancel or plan again.
func (c *LocalClient) AskReferral(ctx context.Context, r desk.ReferralRequest) (desk.ReferralAsked, error) {
	return ask[desk.ReferralAsked](ctx, c, http.MethodPost, pathAskReferral, r)
}

// HandOver gives the provider what guidance needs to know.
func (c *LocalClient) HandOver(ctx context.Context, n desk.NewHandover) (desk.ReferralAsked, error) {
	return ask[desk.ReferralAsked](ctx, c, http.MethodPost, pathHandOver, n)
}

// CommitReferral takes a step as provider.
func (c *LocalClient) CommitReferral(ctx context.Context, step desk.ReferralCommit) (desk.ReferralLine, error) {
	return ask[desk.ReferralLine](ctx, c, http.MethodPost, pathCommit, step)
}

// EraseReferral erases one that has ended; id is the whole id.
func (c *LocalClient) EraseReferral(ctx context.Context, id string) error {
	_, err := ask[ReferralID](ctx, c, http.MethodPost, pathEraseReferral, ReferralID{id})
	return err
}

// WaitingList is who waits for an own offer, in order.
func (c *LocalClient) WaitingList(ctx context.Context, offer string) ([]desk.Waiter, error) {
	list, err := ask[WaitingList](ctx, c, http.MethodGet, pathWaitingList+"?offer="+url.QueryEscape(offer), nil)
	return list.Waiting, err
}
