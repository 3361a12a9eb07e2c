package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// Status is how the node stands. It holds no payloads.
type Status struct {
	Party       gateway.OIN         `json:"party"`
	Name        string              `json:"name,omitempty"`
	Time        time.Time           `json:"time"`
	ClockBehind time.Duration       `json:"clockBehind,omitempty"` // the clock was set back by so much; purging has stopped
	Incarnation uint64              `json:"incarnation"`
	Register    RegisterStatus      `json:"register"`
	Policy      PolicyStatus        `json:"policy"`
	Offers      int                 `json:"offers"`
	Imports     []store.ImportState `json:"imports,omitempty"`
	Importing   *Progress           `json:"importing,omitempty"` // under way
	Peers       []Peer              `json:"peers"`
	Journal     uint64              `json:"journal"`          // entries
	Backup      *BackupReport       `json:"backup,omitempty"` // the last good one
	Awaited     store.Awaited       `json:"awaited,omitzero"` // since a restore
	Witnessed   witness.State       `json:"witnessed"`        // how far the journal is beyond rewriting unnoticed
	Alarms      []string            `json:"alarms,omitempty"`
	BreakGlass  []BreakGlass        `json:"breakGlass,omitempty"` // open, or not acknowledged yet
	Referrals   ReferralCounts      `json:"referrals"`
	Webhooks    []Webhook           `json:"webhooks,omitempty"`
}

// RegisterStatus is the register in force.
type RegisterStatus struct {
	Version    uint64    `json:"version"`
	Hash       string    `json:"hash,omitempty"`
	State      string    `json:"state"` // none, current, expiring, grace, expired
	ValidUntil time.Time `json:"validUntil,omitzero"`
}

// Peer is one other party, how contact with it stands, and what waits for it.
type Peer struct {
	Name string            `json:"name"`
	Kind gateway.PartyKind `json:"kind"`
	store.PeerStatus
	Approval string   `json:"approval,omitempty"` // by which rule its policies come in force, by its own word
	Notes    []string `json:"notes,omitempty"`    // what to know of it, and what it cannot take now and why, in plain English
}

// Status needs a role but writes no journal entry: it is asked every few
// seconds by a screen and tells nothing of offers or persons.
func (d *Desk) Status(ctx context.Context, caller gateway.Caller) (Status, error) {
	if err := caller.Authorize(gateway.OpStatus); err != nil {
		return Status{}, err
	}
	wall := time.Now()
	now := d.now()
	s := Status{
		Party: d.Self, Name: d.partyName(d.Self), Time: now, Incarnation: d.Store.Incarnation(),
		Policy: d.PolicyStatus(), Register: RegisterStatus{State: "none"},
	}
	if behind := now.Sub(wall); behind > gateway.ClockSkew {
		s.ClockBehind = behind
		alarm := "de klok van deze computer is teruggezet; er wordt niets opgeruimd"
		if behind > gateway.ClockLost {
			alarm = "de tijd van deze node ligt op " + now.In(gateway.Amsterdam()).Format("2006-01-02 15:04") +
				", ver voor op de klok: die staat nu fout, of liep ooit voor; er wordt niets opgeruimd; zie doorstroom doctor"
		}
		s.Alarms = append(s.Alarms, alarm)
	}
	if err := d.fillStatus(ctx, &s, now); err != nil {
		return Status{}, err
	}
	s.Alarms = append(s.Alarms, d.alarms(s, now)...)
	if d.Alarms != nil {
		s.Alarms = append(s.Alarms, d.Alarms(ctx, now)...)
	}
	watch, err := d.WatchAlarms(ctx, s.Witnessed, now)
	if err != nil {
		return Status{}, fmt.Errorf("read the journals of others: %w", err)
	}
	s.Alarms = append(s.Alarms, watch...)
	proposed, err := d.proposalAlarms(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("read proposals: %w", err)
	}
	s.Alarms = append(s.Alarms, proposed...)
	shifts, err := d.shiftAlarms(ctx)
	if err != nil {
		return Status{}, fmt.Errorf("read requests about allotments: %w", err)
	}
	s.Alarms = append(s.Alarms, shifts...)
	subject, err := d.subjectAlarms(ctx, gateway.DateOf(now))
	if err != nil {
		return Status{}, err
	}
	s.Alarms = append(s.Alarms, subject...)
	s.BreakGlass, err = d.breakGlassShown(ctx, caller, now)
	return s, err
}

func (d *Desk) fillStatus(ctx context.Context, s *Status, now time.Time) error {
	var err error
	if s.Offers, err = d.Store.CountOwnOffers(ctx); err != nil {
		return fmt.Errorf("count own offers: %w", err)
	}
	if s.Imports, err = d.Store.ImportStates(ctx); err != nil {
		return fmt.Errorf("read imports: %w", err)
	}
	s.Importing = d.progress.Load()
	s.Referrals = d.ReferralCounts(gateway.DateOf(now))
	if s.Journal, err = d.Store.JournalSize(ctx); err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	last, ok, err := d.Store.LastBackup(ctx)
	if err != nil {
		return fmt.Errorf("read the last backup: %w", err)
	}
	if ok {
		s.Backup = &last
	}
	if s.Awaited, err = d.Store.Awaiting(ctx, now); err != nil {
		return fmt.Errorf("read what is waited for: %w", err)
	}
	known, err := d.Store.Peers(ctx)
	if err != nil {
		return fmt.Errorf("read peers: %w", err)
	}
	s.Peers = d.peers(known, now)
	if s.Webhooks, err = d.webhooks(ctx); err != nil {
		return fmt.Errorf("read webhooks: %w", err)
	}
	if err := d.fillWitnessed(ctx, s); err != nil {
		return fmt.Errorf("read what is witnessed: %w", err)
	}
	if reg := d.Rules().Register; reg != nil {
		s.Register = RegisterStatus{
			Version: reg.Version(), Hash: reg.Hash(), State: string(reg.State(now)), ValidUntil: reg.Document().ValidUntil,
		}
	}
	return nil
}

func (d *Desk) fillWitnessed(ctx context.Context, s *Status) (err error) {
	if s.Witnessed, err = d.Witness().State(ctx); err != nil {
		return err
	}
	watched, err := d.Store.Watched(ctx)
	for i, p := range s.Peers {
		s.Peers[i].Notes = append(p.Notes, d.journalNotes(p.Name, p.OIN, s.Witnessed, watched)...)
	}
	return err
}

// peers joins the register with what is known of contact: parties never met
// are listed too, and parties that left while messages wait.
func (d *Desk) peers(known []store.PeerStatus, now time.Time) []Peer {
	byOIN := map[gateway.OIN]store.PeerStatus{}
	for _, p := range known {
		byOIN[p.OIN] = p
	}
	var peers []Peer
	if reg := d.Rules().Register; reg != nil {
		for _, p := range reg.Parties() {
			if p.OIN == d.Self {
				continue
			}
			status := byOIN[p.OIN]
			status.OIN = p.OIN
			peers = append(peers, Peer{
				Name: p.Name, Kind: p.Kind, PeerStatus: status, Approval: status.Hello.Approval(), Notes: d.notes(p.Name, status, now),
			})
			delete(byOIN, p.OIN)
		}
	}
	for _, status := range byOIN {
		if status.Queued+status.Held > 0 {
			peers = append(peers, Peer{Name: "(niet meer in het register)", PeerStatus: status})
		}
	}
	slices.SortFunc(peers, func(a, b Peer) int { return strings.Compare(string(a.OIN), string(b.OIN)) })
	return peers
}

// alarms are what somebody should do something about, in Dutch.
func (d *Desk) alarms(s Status, now time.Time) []string {
	var alarms []string
	if s.Policy.Error != "" {
		alarms = append(alarms, "het beleidsbestand op schijf kan niet worden geladen; zie doorstroom policy check")
	}
	switch s.Register.State {
	case "none":
		alarms = append(alarms, "er is nog geen register geïnstalleerd; zie doorstroom register --help")
	case "expiring", "grace", "expired":
		alarms = append(alarms, "het register verloopt of is verlopen; vraag de registerhouder om een nieuwe versie")
	}
	for _, p := range s.Peers {
		if p.Kept.Full {
			alarms = append(alarms, p.Name+" heeft hier zijn ruimte vol; wat meer ruimte vraagt wacht daar (zie limits in de configuratie)")
		}
		if p.Oldest.IsZero() {
			continue
		}
		switch age := now.Sub(p.Oldest); {
		case age > gateway.AlarmAfter:
			alarms = append(alarms, p.Name+" is al meer dan 9 dagen niet bereikt; over enkele dagen vervallen berichten")
		case age > gateway.WarnAfter:
			alarms = append(alarms, p.Name+" is al meer dan 3 dagen niet bereikt")
		}
	}
	if names := d.KnownNewer(); len(names) > 0 {
		alarms = append(alarms, strings.Join(names, ", ")+" kent nieuwere berichten van deze node dan hij nu verstuurt en negeert die: "+
			"de database is een oude kopie, of er draait nog een kopie van deze node; zie doorstroom doctor")
	}
	for _, w := range s.Webhooks {
		if w.Late(now) {
			alarms = append(alarms, "de webhook "+w.Name+" neemt al meer dan een uur geen gebeurtenissen aan; zie doorstroom doctor")
		}
	}
	for _, i := range s.Imports {
		if i.Held != nil {
			alarms = append(alarms, "een import wacht op bevestiging: er zouden te veel aanbiedingen vervallen (doorstroom publish --confirm)")
		}
	}
	if len(s.Awaited.Sources) > 0 {
		alarms = append(alarms, "de database is teruggezet; tot er een volledige export is ingelezen van "+strings.Join(s.Awaited.Sources, ", ")+
			", of uiterlijk "+s.Awaited.Until.In(gateway.Amsterdam()).Format("2006-01-02 15:04")+", gaat er niets van het eigen aanbod uit")
	}
	switch use := d.Store.Usage(); {
	case use.Broken:
		alarms = append(alarms, "de database is beschadigd of haar schijf faalt; zie doorstroom doctor")
	case use.Full:
		alarms = append(alarms, "de schijf of de database is vol; er komt niets nieuws bij tot er ruimte is; zie doorstroom doctor")
	}
	if s.Referrals.Late > 0 {
		alarms = append(alarms, fmt.Sprintf("bij %s is de volgende stap meer dan %d werkdagen te laat; zie doorstroom referrals list --overdue",
			gateway.Count(s.Referrals.Late, "verwijzing", "verwijzingen"), LateAfter))
	}
	if d.backupIsOld(s, now) {
		alarms = append(alarms, "er is al meer dan 3 dagen geen goede back-up gemaakt; zie doorstroom backup --help")
	}
	return alarms
}

// KnownNewer names the parties that have newer messages of this node than those
// it sends.
func (d *Desk) KnownNewer() (names []string) {
	if d.KnowNewer == nil {
		return nil
	}
	for _, oin := range d.KnowNewer() {
		names = append(names, cmp.Or(d.partyName(oin), string(oin)))
	}
	return names
}

// backupIsOld tells whether the last good backup is older than people may count
// on; a node that is young has none yet.
func (d *Desk) backupIsOld(s Status, now time.Time) bool {
	every := d.BackupEvery()
	last := time.Unix(int64(s.Incarnation), 0)
	if s.Backup != nil {
		last = s.Backup.At
	}
	return every > 0 && now.Sub(last) > max(gateway.WarnAfter, 2*every)
}

// Journal lists entries from an index on, at most limit of them.
func (d *Desk) Journal(ctx context.Context, caller gateway.Caller, from uint64, limit int) ([]store.JournalRecord, error) {
	if err := d.read(ctx, caller, gateway.OpListJournal); err != nil {
		return nil, err
	}
	return d.Store.Journal(ctx, from, limit)
}

// Checkpoint signs the journal's present head.
func (d *Desk) Checkpoint(ctx context.Context) error {
	if _, err := d.Store.Checkpoint(ctx, d.now(), d.SignCheckpoint); err != nil {
		return fmt.Errorf("sign checkpoint: %w", err)
	}
	return nil
}

// VerifyJournal recomputes the whole journal against its checkpoints.
func (d *Desk) VerifyJournal(ctx context.Context, caller gateway.Caller) (JournalReport, error) {
	if err := d.read(ctx, caller, gateway.OpVerifyJournal); err != nil {
		return JournalReport{}, err
	}
	report, err := d.Store.VerifyJournal(ctx, d.OpenCheckpoint)
	if err == nil || ctx.Err() == nil {
		d.verified.Store(&Verification{At: d.now(), OK: err == nil})
	}
	if err != nil {
		return JournalReport{JournalReport: report}, err
	}
	state, err := d.Witness().State(ctx)
	return JournalReport{report, state}, err
}

// Verification is what came of recomputing the journal.
type Verification struct {
	At time.Time
	OK bool
}

// LastVerification is that of the last VerifyJournal since the node started;
// false if there was none.
func (d *Desk) LastVerification() (Verification, bool) {
	if v := d.verified.Load(); v != nil {
		return *v, true
	}
	return Verification{}, false
}
