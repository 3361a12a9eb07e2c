package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway/desk"
)

const (
	pathSubject       = "/v1/subject"
	pathReadSubject   = "/v1/subject/read"
	pathAnswerSubject = "/v1/subject/answer"
	pathReportSubject = "/v1/subject/report"
)

// SubjectRequests is a list in an object, so that something can be added beside it.
type SubjectRequests struct {
	Requests []desk.SubjectLine `json:"requests"`
}

// SubjectID names a request: its id, or the end of one.
type SubjectID struct {
	Request string `json:"request"`
}

func subjectRoutes(a api, d *desk.Desk) {
	refusals := []int{http.StatusNotFound, http.StatusConflict}
	get(a, huma.Operation{
		OperationID: "listSubject", Path: pathSubject, Summary: "Requests for inhabitants, by this node and of it, and what became of them",
		Description: "What must be answered first comes first. Nothing in it is of what a request says in words.",
	}, nil, func(ctx context.Context, _ noInput) (output[SubjectRequests], error) {
		list, err := d.ListSubject(ctx, callerIn(ctx))
		return output[SubjectRequests]{SubjectRequests{append([]desk.SubjectLine{}, list...)}}, err
	})
	post(a, huma.Operation{
		OperationID: "askSubject", Path: pathSubject, Summary: "Ask the other side of referrals to rectify, erase or restrict",
		Description: "What is corrected is corrected here too, and a restriction holds here at once. What policy does not let go is left out, and told.",
	}, refusals, func(ctx context.Context, in desk.SubjectAsk) (desk.SubjectAsked, error) {
		return d.AskSubject(ctx, callerIn(ctx), in)
	})
	post(a, huma.Operation{
		OperationID: "readSubject", Path: pathReadSubject, Summary: "One request, with what it says",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in SubjectID) (desk.SubjectDetail, error) {
		return d.ReadSubject(ctx, callerIn(ctx), in.Request)
	})
	post(a, huma.Operation{
		OperationID: "answerSubject", Path: pathAnswerSubject, Summary: "Do what is asked for an inhabitant, or say why not",
		Description: "To erase a referral it must have ended; what was handed over, and single fields, can be erased before.",
	}, refusals, func(ctx context.Context, in desk.SubjectReply) (desk.SubjectLine, error) {
		return d.AnswerSubject(ctx, callerIn(ctx), in)
	})
	post(a, huma.Operation{
		OperationID: "reportSubject", Path: pathReportSubject, Summary: "All that is kept of an inhabitant, as a report for him",
		Description: "By referrals, or by a name in what was handed over: then a first question is answered 409, with the number of referrals to confirm.",
	}, refusals, func(ctx context.Context, in desk.SubjectQuestion) (desk.SubjectReport, error) {
		return d.ReportSubject(ctx, callerIn(ctx), in)
	})
}

// ReportSubject gathers what is kept of an inhabitant.
func (c *LocalClient) ReportSubject(ctx context.Context, q desk.SubjectQuestion) (desk.SubjectReport, error) {
	return ask[desk.SubjectReport](ctx, c, http.MethodPost, pathReportSubject, q)
}

// Subject lists requests for inhabitants.
func (c *LocalClient) Subject(ctx context.Context) ([]desk.SubjectLine, error) {
	list, err := ask[SubjectRequests](ctx, c, http.MethodGet, pathSubject, nil)
	return list.Requests, err
}

// AskSubject asks the other side of referrals something for an inhabitant.
func (c *LocalClient) AskSubject(ctx context.Context, a desk.SubjectAsk) (desk.SubjectAsked, error) {
	return ask[desk.SubjectAsked](ctx, c, http.MethodPost, pathSubject, a)
}

// ReadSubject opens one request.
func (c *LocalClient) ReadSubject(ctx context.Context, request string) (desk.SubjectDetail, error) {
	return ask[desk.SubjectDetail](ctx, c, http.MethodPost, pathReadSubject, SubjectID{request})
}

// AnswerSubject does what is asked, or says why not.
func (c *LocalClient) AnswerSubject(ctx context.Context, a desk.SubjectReply) (desk.SubjectLine, error) {
	return ask[desk.SubjectLine](ctx, c, http.MethodPost, pathAnswerSubject, a)
}
