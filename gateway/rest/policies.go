package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway/desk"
)

// PolicyInForce is one policy that came in force and what was in it.
type PolicyInForce struct {
	Number   uint64       `json:"number"` // from 1
	Version  string       `json:"version"`
	Since    time.Time    `json:"since"`
	Caller   string       `json:"caller,omitempty"` // pseudonym of who had it loaded; absent: the node, at its start
	Approval string       `json:"approval"`         // none, one-person or two-person
	Author   string       `json:"author,omitempty"`
	Approver string       `json:"approver,omitempty"`
	Files    []PolicyFile `json:"files"`

	Approvers  string `json:"approvers,omitempty"`  // the list of who may sign and approve, as it was
	Signatures string `json:"signatures,omitempty"` // what they signed
}

// PolicyFile is one policy file.
type PolicyFile struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Policies is a list in an object, so that something can be added beside it.
type Policies struct {
	Policies []PolicyInForce `json:"policies"`
}

// PolicyVersion names a policy by the beginning of its version, or "".
type PolicyVersion struct {
	Version string `json:"version"`
}

// TwoPolicies are to be compared.
type TwoPolicies struct {
	Old []PolicyFile `json:"old"`
	New []PolicyFile `json:"new"`
}

// Draft is a policy to try on the last days.
type Draft struct {
	Files []PolicyFile `json:"files"`
	Days  int          `json:"days" minimum:"1" maximum:"366"`
}

func filesIn(texts []PolicyFile) []desk.PolicyFile {
	var files []desk.PolicyFile
	for _, f := range texts {
		files = append(files, desk.PolicyFile{Name: f.Name, Data: []byte(f.Text)})
	}
	return files
}

func policyOut(r desk.PolicyRecord) PolicyInForce {
	out := PolicyInForce{
		Number: r.Number, Version: r.Version, Since: r.Since, Caller: r.Caller, Files: []PolicyFile{},
		Approval: r.Approval.Mode, Author: r.Approval.Author, Approver: r.Approval.Approver,
		Approvers: string(r.Approval.Approvers), Signatures: string(r.Approval.Signed),
	}
	if out.Approval == "" {
		out.Approval = "none"
	}
	for _, f := range r.Files {
		out.Files = append(out.Files, PolicyFile{f.Name, string(f.Data)})
	}
	return out
}

func historyRoutes(a api, d *desk.Desk) {
	get(a, huma.Operation{
		OperationID: "listPolicies", Path: pathPolicies, Summary: "Every policy that was in force, with its files",
	}, nil, func(ctx context.Context, _ noInput) (output[Policies], error) {
		records, err := d.PolicyLog(ctx, callerIn(ctx))
		out := Policies{Policies: make([]PolicyInForce, 0, len(records))}
		for _, r := range records {
			out.Policies = append(out.Policies, policyOut(r))
		}
		return output[Policies]{out}, err
	})
	post(a, huma.Operation{
		OperationID: "diffPolicies", Path: pathPolicyDiff, Summary: "What two policies show otherwise of the own offers",
	}, nil, func(ctx context.Context, in TwoPolicies) (desk.PolicyDiff, error) {
		return d.Diff(ctx, callerIn(ctx), filesIn(in.Old), filesIn(in.New))
	})
	post(a, huma.Operation{
		OperationID: "replayPolicy", Path: pathReplay, Summary: "What a draft would have decided otherwise lately",
	}, nil, func(ctx context.Context, in Draft) (desk.PolicyReplay, error) {
		return d.Replay(ctx, callerIn(ctx), filesIn(in.Files), in.Days)
	})
	post(a, huma.Operation{
		OperationID: "rollbackPolicy", Path: pathRollback, Summary: "Take out an earlier policy",
		Description: "Journals it and gives the files. Put back, they come in force by a reload, as any others do.",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in PolicyVersion) (PolicyInForce, error) {
		record, err := d.PolicyRollback(ctx, callerIn(ctx), in.Version)
		if err != nil {
			return PolicyInForce{}, err
		}
		return policyOut(record), nil
	})
}
