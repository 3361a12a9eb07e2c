package policy

import "github.com/doorstroom/doorstroom/gateway"

// Explanation tells a privacy officer why a decision is what it is.
type Explanation struct {
	Decision gateway.Decision `json:"decision"`
}

// Explain decides and tells why.
func (p *Policy) Explain(q Request) Explanation { return Explanation{Decision: p.Decide(q)} }

// Text is the explanation in plain Dutch.
func (e Explanation) Text() string { return "" }
