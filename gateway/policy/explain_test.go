package policy_test

import (
	"encoding/json"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/policy"
)

// TestExplanations compares texts for privacy officers with golden files.
func TestExplanations(t *testing.T) {
	smilePolicy, binnenbaan := load(t, env(t), file(t, "smile.yaml")), load(t, env(t), file(t, "binnenbaan.yaml"))
	fase1 := groen()
	fase1.Fase = gateway.Range{Min: 1, Max: 1}
	wmo := groen()
	wmo.Grondslag, wmo.Doelgroepen = "wmo-2015", []string{"ggz", "gedetineerden"}
	tests := []struct {
		name   string
		policy *policy.Policy
		kind   string
		offer  *gateway.Offer
		to     gateway.OIN
	}{
		{"allotment", smilePolicy, gateway.KindCapacity, groen(), alblasserdam},
		{"outside", smilePolicy, gateway.KindCapacity, groen(), molenlanden},
		{"mandate", smilePolicy, gateway.KindCapacity, groen(), grs},
		{"forbidden-field", smilePolicy, gateway.KindCapacity, groen(), papendrecht},
		{"forbidden", smilePolicy, gateway.KindCapacity, fase1, uwv},
		{"withheld-codes", smilePolicy, gateway.KindCapacity, wmo, uwv},
		{"denied", smilePolicy, gateway.KindCapacity, groen(), drechtwerk},
		{"public", smilePolicy, gateway.KindCapacity, groen(), ""},
		{"relations", binnenbaan, gateway.KindCapacity, groen(), rijswijk},
		{"state", smilePolicy, gateway.KindCapacityState, nil, dordrecht},
		{"no-policy", policy.DenyAll(), gateway.KindCapacity, groen(), dordrecht},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			x := test.policy.Explain(policy.Request{
				Kind: test.kind, Offer: test.offer, Recipient: recipient(t, test.to, today), Day: today,
			})
			golden(t, "explain/"+test.name+".txt", x.Text())
		})
	}
}

func TestExplanationAsJSON(t *testing.T) {
	p := load(t, env(t), file(t, "smile.yaml"))
	x := p.Explain(policy.Request{Kind: gateway.KindCapacity, Offer: groen(), Recipient: recipient(t, grs, today), Day: today})
	data, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explain/mandate.json", string(data)+"\n")
}
