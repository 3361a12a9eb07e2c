package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"

	"github.com/doorstroom/doorstroom/gateway"
)

// Reread gives the rows that are plain data as this program reads them: decoded,
// and written as JSON again. A member that it reads otherwise, or not any more, is
// otherwise in what it gives. Rows about persons are opened first. What stands in
// other tables is told by methods.
func (s *Store) Reread(ctx context.Context, tell func(what string, value []byte)) error {
	return s.view(ctx, func(r reader) error {
		tables, err := r.tables()
		if err != nil {
			return err
		}
		for _, in := range tables {
			read := rereaders()[in.name]
			if read == nil {
				continue
			}
			if err := r.ascend(in, nil, func(key, value []byte) (bool, error) {
				text, err := read(s, r, in, key, value)
				tell(fmt.Sprintf("row %s/%s/%q", in.name, in.party, key), text)
				return true, err
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

type rereader func(s *Store, r reader, in table, key, value []byte) ([]byte, error)

// rereaders are how the rows of a table are read; nil where methods tell of all
// that is in it.
func rereaders() map[string]rereader {
	return map[string]rereader{
		tableMeta: verbatim, tableErased: verbatim, tableRenewed: verbatim, tableRightsOf: verbatim,
		tableCheckpoints: verbatim, tableAbandoned: verbatim, tableStates: verbatim,
		tableGone: reread[gateway.Sampling], tableImports: reread[ImportState],
		tablePolicies: reread[PolicyRecord], tableProposals: reread[PolicyProposal], tableMissing: reread[MissingPlaces],
		tablePeers: reread[peerRow], tableHello: reread[helloRow],
		tableWitnesses: reread[WitnessStatus], tableCosigned: reread[Cosignature], tableWitnessed: reread[heldRow], tableHeads: reread[Head],
		tablePartyProposals: reread[PartyProposal], tableBreakGlass: reread[BreakGlass], tableBreakGlassSaid: reread[said],
		tableShifts: reread[gateway.AllotmentRequest], tableShiftsHeard: reread[HeardShift], tableShifted: reread[shiftedRow],
		tableWebhooks: reread[Webhook],
		tableTaken:    reread[takenRow], tableWaiting: reread[[]waiter],
		tableProvided: opened[providedRow], tableFollowed: opened[followedRow], tableHandovers: opened[gateway.Handover],
		tableRights: rereadRights, tableRightsText: rereadRightsText,
		tableInbox: rereadItem, tableReceived: rereadSnapshot, tableLatest: rereadSlot,
	}
}

func verbatim(_ *Store, _ reader, _ table, _, value []byte) ([]byte, error) {
	return []byte(hex.EncodeToString(value)), nil
}

func reread[T any](_ *Store, _ reader, in table, _, value []byte) ([]byte, error) {
	var row T
	err := readJSON(in, value, &row)
	return encodeJSON(row), err
}

func opened[T any](s *Store, r reader, in table, key, _ []byte) ([]byte, error) {
	var row T
	ok, err := openSealed(r, s.vault, in.name, referralKey(key), &row)
	if err != nil || !ok {
		return []byte("erased"), err
	}
	return encodeJSON(row), nil
}

func rereadRights(s *Store, r reader, _ table, key, _ []byte) ([]byte, error) {
	row, err := readRights(r, s.vault, rightsKey(key))
	return encodeJSON(row), err
}

// rereadRightsText finds of which referral the words are.
func rereadRightsText(s *Store, r reader, _ table, key, _ []byte) (text []byte, err error) {
	err = r.ascend(table{name: tableRightsOf}, nil, func(pair, _ []byte) (bool, error) {
		if !bytes.HasSuffix(pair, key) {
			return true, nil
		}
		var row rightsText
		ok, err := openNamed(r, s.vault, tableRightsText, key, rightsTextName(referralKey(pair[:len(referralKey{})])), &row)
		if text = encodeJSON(row); !ok {
			text = []byte("erased")
		}
		return false, err
	})
	return text, err
}

func rereadItem(_ *Store, _ reader, in table, _, value []byte) ([]byte, error) {
	i, err := decodeItem(in, value)
	return encodeJSON(map[string]any{"digest": i.digest, "outcome": i.outcome, "reason": i.reason, "received": i.received, "until": i.until}), err
}

func rereadSnapshot(_ *Store, _ reader, in table, _, value []byte) ([]byte, error) {
	p, err := decodeSnapshot(in, value)
	return encodeJSON(map[string]any{
		"incarnation": p.order.incarnation, "sequence": p.order.sequence, "digest": p.digest, "received": p.received, "until": p.until, "data": string(p.data),
	}), err
}

func rereadSlot(_ *Store, _ reader, in table, _, value []byte) ([]byte, error) {
	sl, err := decodeSlot(in, value)
	return encodeJSON(map[string]any{
		"last": sl.last, "state": sl.state, "withdrawal": sl.withdrawal, "exposed": sl.exposed, "hash": hex.EncodeToString(sl.hash[:]),
		"terms": hex.EncodeToString(sl.terms[:]), "id": hex.EncodeToString(sl.id[:]), "digest": hex.EncodeToString(sl.digest),
		"delivered": sl.delivered, "deliveredDigest": hex.EncodeToString(sl.deliveredDigest),
	}), err
}
