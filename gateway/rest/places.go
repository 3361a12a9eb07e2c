package rest

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/search"
)

// MissingPlaces is how often no fitting place was found.
type MissingPlaces struct {
	Missing []desk.MissingPlaces `json:"missing"`
}

// months are text that is read by the desk: huma's errors repeat it.
type months struct {
	From  string `query:"from" doc:"first month, such as 2026-01; without it from the beginning"`
	Until string `query:"until" doc:"last month; without it until now"`
}

func placeRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "searchPlaces", Path: pathPlaces, Summary: "Find places that fit somebody",
		Description: "What is asked for is kept nowhere: the journal holds the names of the fields and how many offers fit. " +
			"Texts are in Dutch. What an offer does not show is unknown, and never assumed. A wish or a demand that names a criterion " +
			"of which nothing is asked for is refused: afstand needs postcode and maxKm.",
	}, nil, func(ctx context.Context, in search.Demand) (search.Result, error) {
		return d.SearchPlaces(ctx, callerIn(ctx), in)
	})
	post(a, huma.Operation{
		OperationID: "reportMissingPlace", Path: pathMissing, Summary: "Count that no fitting place was found",
		Description: "Only werksoort, gemeente and month are kept, as a count.",
	}, nil, func(ctx context.Context, in desk.NoPlace) (desk.NoPlace, error) {
		return in, d.ReportMissing(ctx, callerIn(ctx), in)
	})
	get(a, huma.Operation{
		OperationID: "listMissingPlaces", Path: pathMissing, Summary: "How often no fitting place was found, by month",
	}, []int{http.StatusBadRequest}, func(ctx context.Context, in months) (output[MissingPlaces], error) {
		all, err := d.MissingPlaces(ctx, callerIn(ctx), in.From, in.Until)
		return output[MissingPlaces]{MissingPlaces{append([]desk.MissingPlaces{}, all...)}}, err
	})
}

// SearchPlaces finds places that fit somebody.
func (c *LocalClient) SearchPlaces(ctx context.Context, demand search.Demand) (search.Result, error) {
	return ask[search.Result](ctx, c, http.MethodPost, pathPlaces, demand)
}

// ReportMissing counts that no fitting place was found.
func (c *LocalClient) ReportMissing(ctx context.Context, none desk.NoPlace) error {
	_, err := ask[desk.NoPlace](ctx, c, http.MethodPost, pathMissing, none)
	return err
}

// MissingPlaces is how often no fitting place was found, from one month until
// another, both included; "" is no bound.
func (c *LocalClient) MissingPlaces(ctx context.Context, from, until string) ([]desk.MissingPlaces, error) {
	query := url.Values{}
	for name, month := range map[string]string{"from": from, "until": until} {
		if month != "" {
			query.Set(name, month)
		}
	}
	list, err := ask[MissingPlaces](ctx, c, http.MethodGet, pathMissing+"?"+query.Encode(), nil)
	return list.Missing, err
}
