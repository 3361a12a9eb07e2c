package node

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/schema"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	checkWholly  = 256 << 20 // bytes of a database that is read wholly while a node runs on it
	leastFree    = 256 << 20 // bytes that a disk should have left in any case
	slowSync     = 100 * time.Millisecond
	noSync       = 5 * time.Microsecond // no disk is so fast
	soonExpires  = 30 * 24 * time.Hour
	peerAway     = 24 * time.Hour
	spareFiles   = 200 // descriptors beside those of connections
	nearlyFull   = 0.75
	filesPerPeer = 2
)

// examination is one look at a node. What cannot be looked at is a finding too.
type examination struct {
	c     config.Config
	keys  keys
	desk  *desk.Desk   // nil without keys or database
	store *store.Store // nil without database
	live  bool         // a node runs on the database
	now   time.Time
	found []desk.Finding
}

func (x *examination) add(check, level, do, format string, args ...any) {
	x.found = append(x.found, desk.Finding{Check: check, Level: level, Text: fmt.Sprintf(format, args...), Do: do})
}

func (x *examination) ok(check, format string, args ...any) {
	x.add(check, desk.LevelOK, "", format, args...)
}

func (x *examination) warn(check, do, format string, args ...any) {
	x.add(check, desk.LevelWarning, do, format, args...)
}

func (x *examination) fail(check, do, format string, args ...any) {
	x.add(check, desk.LevelError, do, format, args...)
}

// examine is the desk's: the node runs.
func (n *Node) examine(ctx context.Context) []desk.Finding {
	n.mu.Lock()
	c := n.config
	n.mu.Unlock()
	x := &examination{c: c, keys: n.keys, desk: n.Desk, store: n.Store, live: true, now: n.Store.EffectiveTime(time.Now())}
	x.ok("node", "it runs; database format %d", store.Format)
	x.all(ctx)
	return x.found
}

// DoctorStopped examines a node that is not running. Nothing changes in its
// database.
func DoctorStopped(ctx context.Context, c config.Config) []desk.Finding {
	x := &examination{c: c, now: time.Now()}
	x.warn("node", "doorstroom run", "it is not running")
	var err error
	if x.keys, err = loadKeys(c.Keys); err != nil {
		x.fail("keys", "put back your copy of the keys folder", "the keys cannot be read: %s", gateway.SafeMessage(err))
	}
	s, err := store.OpenReadOnly(filepath.Join(c.Data, databaseFile))
	switch {
	case gateway.KindOf(err) == gateway.NotFound:
		x.warn("database", "doorstroom run makes it", "there is none yet")
	case errors.Is(err, store.ErrCorrupt):
		x.fail("database", "look at the disk, then: doorstroom restore", "%s", gateway.SafeMessage(err))
	case err != nil:
		x.fail("database", "", "%s", gateway.SafeMessage(err))
	default:
		x.store, x.now = s, s.EffectiveTime(x.now)
		defer func() { _ = s.Close() }() // nothing was written
		if x.keys.signing != nil {
			x.desk, err = stoppedDesk(ctx, c, x.keys, s)
			if err != nil {
				x.fail("register", "", "the register in the database cannot be read: %s", gateway.SafeMessage(err))
			}
		}
	}
	x.all(ctx)
	return x.found
}

// stoppedDesk is a desk that only reads.
func stoppedDesk(ctx context.Context, c config.Config, k keys, s *store.Store) (*desk.Desk, error) {
	validator, err := schema.New()
	if err != nil {
		return nil, err
	}
	n := &Node{config: c}
	return desk.New(ctx, desk.Options{
		Self: c.Party, Secret: k.secret, Store: s, Schema: validator, Anchors: c.Register.Anchors, PolicyFiles: n.policyFiles,
	})
}

func (x *examination) all(ctx context.Context) {
	x.files()
	x.cyclingMap()
	x.database(ctx)
	x.disks()
	x.syncing()
	x.clock(ctx)
	x.ownKeys()
	x.register()
	x.policy()
	x.peers(ctx)
	x.copies()
	x.witnesses(ctx)
	x.breakGlass(ctx)
	x.referrals()
	x.kept()
	x.compaction(ctx)
	x.exports(ctx)
	x.logboek(ctx)
	x.webhooks(ctx)
	x.backup(ctx)
	x.descriptors()
}

// files are those that the configuration names.
func (x *examination) files() {
	missing := 0
	for _, named := range append([]struct{ key, path string }{
		{"drop.folder", x.c.Drop.Folder}, {"places.folder", x.c.Places.Folder}, {"drop.mapping", x.c.Drop.Mapping},
	}, policyPaths(x.c)...) {
		if named.path == "" {
			continue
		}
		if _, err := os.Stat(named.path); err != nil {
			missing++
			x.fail("configuration", "put it there, or change the configuration", "%s names %s, which cannot be read", named.key, named.path)
		}
	}
	if missing == 0 {
		x.ok("configuration", "all files that it names are there")
	}
}

func policyPaths(c config.Config) (all []struct{ key, path string }) {
	for _, path := range c.Policy.Files {
		all = append(all, struct{ key, path string }{"policy.files", path})
	}
	return all
}

func (x *examination) database(ctx context.Context) {
	if x.store == nil {
		return
	}
	u := x.store.Usage()
	size := fmt.Sprintf("%s, of which %s free", megabytes(u.FileBytes), megabytes(u.FreeBytes))
	if u.FreeBytes < 0 {
		size = megabytes(u.FileBytes)
	}
	limit := int64(x.c.Limits.DatabaseBytes)
	if used := u.FileBytes - max(0, u.FreeBytes); float64(used) > nearlyFull*float64(limit) {
		x.warn("database", "raise limits.database-bytes, or find out why so much waits: doorstroom status", "%s; its limit is %s", size, megabytes(limit))
	}
	if x.live && u.FileBytes > checkWholly {
		x.ok("database", "%s; it is too large to be read wholly while the node runs: doorstroom backup does that on a copy", size)
		return
	}
	if problems := x.store.Check(ctx); len(problems) > 0 {
		x.fail("database", "stop the node, look at the disk, then: doorstroom restore", "%s; it is not sound: %s, the first: %s", size, gateway.Count(len(problems), "problem", "problems"), problems[0])
		return
	}
	x.ok("database", "%s; every row and the journal are sound", size)
}

// disks looks at room and at what kind of file system it is.
func (x *examination) disks() {
	for _, d := range []struct{ check, path string }{{"data disk", x.c.Data}, {"backup disk", x.c.Backup.Folder}} {
		at := existing(d.path)
		free, fsType, options, err := diskOf(at)
		if errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		if err != nil {
			x.warn(d.check, "", "it cannot be looked at")
			continue
		}
		need := int64(leastFree)
		if x.store != nil {
			need += 2 * x.store.Usage().FileBytes
		}
		switch {
		case free < leastFree/4:
			x.fail(d.check, "make room now: the node stops taking messages when the disk is full", "%s free (%s)", megabytes(free), fsType)
		case free < need:
			x.warn(d.check, "make room: a backup takes twice the size of the database", "%s free (%s)", megabytes(free), fsType)
		default:
			x.ok(d.check, "%s free (%s)", megabytes(free), fsType)
		}
		if d.check == "data disk" {
			x.fileSystem(fsType, options)
		}
	}
}

func (x *examination) fileSystem(fsType string, options []string) {
	switch {
	case slices.Contains([]string{"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs"}, fsType):
		x.fail("file system", "put data on a disk of this machine", "data lies on a network drive (%s): locks and power cuts are not safe there", fsType)
	case slices.Contains([]string{"tmpfs", "ramfs"}, fsType):
		x.fail("file system", "put data on a disk", "data lies in memory (%s): it is gone when the machine stops", fsType)
	case fsType == "overlay":
		x.warn("file system", "give the container a volume for data", "data lies in a container (%s): it goes with the container", fsType)
	}
	for _, unsafe := range []string{"nobarrier", "barrier=0", "data=writeback"} {
		if slices.Contains(options, unsafe) {
			x.warn("file system", "mount it without that option", "the disk is mounted with %s: a power cut may lose what was confirmed", unsafe)
		}
	}
}

// existing is the nearest folder that is there.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

// syncing times how long the disk takes to say that something is safe.
func (x *examination) syncing() {
	took, err := timeSync(x.c.Data)
	switch {
	case err != nil && x.live:
		x.fail("writing", "look at the disk and at who may write to data", "nothing can be written to data")
	case err != nil:
		x.fail("writing", "run this as the user of the node", "this user cannot write to data")
	case took > slowSync:
		x.warn("writing", "a slow disk makes every confirmation slow", "the disk takes %v to keep something", took.Round(time.Millisecond))
	case took < noSync:
		x.warn("writing", "do not trust it with a power cut", "the disk says that something is kept after %v, which no disk can", took)
	default:
		x.ok("writing", "the disk takes %v to keep something", took.Round(10*time.Microsecond))
	}
}

func timeSync(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	var took []time.Duration
	for range 5 {
		if _, err = f.WriteAt([]byte(time.Now().String()), 0); err != nil {
			break
		}
		began := time.Now()
		if err = f.Sync(); err != nil {
			break
		}
		took = append(took, time.Since(began))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// clock compares with what was committed and with what other nodes said.
func (x *examination) clock(ctx context.Context) {
	if x.store == nil {
		return
	}
	effective := x.store.EffectiveTime(time.Now())
	switch behind := time.Until(effective); {
	case behind > gateway.ClockLost:
		x.fail("clock", "set the clock right; if it is right, it was once ahead: doorstroom restore --trust-clock, with a backup from before that",
			"the node's time is %s, %d hours ahead of the clock", day(effective), int(behind.Hours()))
		return
	case behind > gateway.ClockSkew:
		x.fail("clock", "set the clock right", "the clock was set back by %v", behind.Round(time.Second))
		return
	}
	peers, err := x.store.Peers(ctx)
	if err != nil {
		return // database tells
	}
	var off []time.Duration
	for _, p := range peers {
		if p.Hello != nil && !p.Hello.Time.IsZero() {
			off = append(off, p.HelloAt.Sub(p.Hello.Time))
		}
	}
	if len(off) == 0 {
		x.ok("clock", "nothing to compare it with but its own past, with which it agrees")
		return
	}
	slices.Sort(off)
	if median := off[len(off)/2]; median.Abs() > gateway.ClockSkew {
		x.fail("clock", "set the clock right", "half of the other nodes are %v away from this clock", median.Abs().Round(time.Second))
		return
	}
	x.ok("clock", "it agrees with %s", gateway.Count(len(off), "other node", "other nodes"))
}

// ownKeys looks at who may read the keys, and how long the certificate is valid.
func (x *examination) ownKeys() {
	if x.keys.signing == nil {
		return // told already
	}
	sound := true
	if info, err := os.Stat(x.c.Keys); err == nil && info.Mode().Perm()&0o077 != 0 {
		sound = false
		x.warn("keys", "chmod 700 "+x.c.Keys, "others can look into the keys folder")
	}
	for _, name := range []string{signingKey, encryptionKey, backupKey} {
		_, err := identity.ReadSecret(filepath.Join(x.c.Keys, name))
		switch {
		case name == backupKey && errors.Is(err, fs.ErrNotExist):
			sound = false
			x.warn("keys", "doorstroom backup makes it; then copy it to a safe place", "there is no %s yet", name)
		case err != nil:
			sound = false
			x.fail("keys", "see Back up in docs/operators.md", "%s", gateway.SafeMessage(err))
		}
	}
	if _, err := readVaultKey(x.c); gateway.KindOf(err) == gateway.NotFound && !exists(vaultPath(x.c)) {
		sound = false
		x.warn("keys", "the node makes it when it starts; then copy it to a safe place", "there is no vault key yet: %s", x.c.Vault)
	} else if err != nil {
		sound = false
		x.fail("keys", "put back your copy of it; see Back up in docs/operators.md", "%s", gateway.SafeMessage(err))
	}
	leaf, err := x509.ParseCertificate(x.keys.tls.Certificate[0])
	switch {
	case err != nil:
		x.fail("keys", "put back your copy of the keys folder", "the certificate cannot be read")
	case x.now.After(leaf.NotAfter):
		x.fail("keys", "ask the registrar how to enrol a new certificate", "the certificate expired on %s", day(leaf.NotAfter))
	case x.now.Add(soonExpires).After(leaf.NotAfter):
		x.warn("keys", "ask the registrar how to enrol a new certificate", "the certificate expires on %s", day(leaf.NotAfter))
	case sound:
		x.ok("keys", "only their owner can read them; the certificate is valid until %s", day(leaf.NotAfter))
	}
}

func (x *examination) register() {
	if x.desk == nil {
		return
	}
	reg := x.desk.Rules().Register
	if reg == nil {
		x.fail("register", "see Take part in docs/operators.md", "none has been installed yet: the node can exchange nothing")
		return
	}
	until := day(reg.Document().ValidUntil)
	switch reg.State(x.now) {
	case register.Current:
		x.ok("register", "version %d, valid until %s", reg.Version(), until)
	case register.Expiring:
		x.warn("register", "ask the registrar for the next version", "version %d expires on %s", reg.Version(), until)
	case register.Grace:
		x.fail("register", "ask the registrar for the next version", "version %d expired on %s; the node goes on for %d days more", reg.Version(), until, reg.Document().GraceDays)
	default:
		x.fail("register", "ask the registrar for the next version", "version %d expired on %s", reg.Version(), until)
	}
	x.ownEntry(reg)
}

// ownEntry compares the keys with those that the register has of this party.
func (x *examination) ownEntry(reg *register.Register) {
	const do = "send party.json to the registrar, or put back your copy of the keys folder"
	self, ok := reg.Party(x.c.Party)
	if !ok {
		x.fail("own entry", do, "this party is not in the register: nobody will talk to it")
		return
	}
	key, ok := self.SigningKey(x.keys.signing.KID())
	leaf, err := x509.ParseCertificate(x.keys.tls.Certificate[0])
	switch {
	case !ok:
		x.fail("own entry", do, "the register has another signing key for this party")
	case key.Compromised:
		x.fail("own entry", "make new keys with the registrar", "the signing key is marked as compromised")
	case !key.ValidAt(x.now, 0):
		x.fail("own entry", do, "the signing key is not valid now")
	case err == nil && len(self.TLSPins) > 0 && !slices.Contains(self.TLSPins, identity.Pin(leaf)):
		x.fail("own entry", do, "the register has another certificate for this party")
	default:
		x.ok("own entry", "keys and certificate are those of the register")
	}
}

func (x *examination) policy() {
	if x.desk == nil {
		return
	}
	warnings, err := x.desk.TryPolicy(x.now)
	switch {
	case err != nil:
		x.fail("policy", "doorstroom policy check", "the files cannot be loaded")
	case x.live && x.desk.PolicyStatus().Error != "":
		x.warn("policy", "doorstroom policy reload", "the files can be loaded, but an older policy is in force")
	case len(warnings) > 0:
		x.warn("policy", "doorstroom policy check", "it loads with %s", gateway.Count(len(warnings), "warning", "warnings"))
	default:
		x.ok("policy", "it loads")
	}
}

func (x *examination) peers(ctx context.Context) {
	if x.desk == nil {
		return
	}
	peers, err := x.desk.Peers(ctx)
	if err != nil {
		return // database tells
	}
	var away []string
	queued := 0
	for _, p := range peers {
		queued += p.Queued + p.Held
		switch {
		case p.LastContact.IsZero():
			away = append(away, p.Name+" (never)")
		case x.now.Sub(p.LastContact) > peerAway:
			away = append(away, p.Name+" (since "+day(p.LastContact)+")")
		}
	}
	waiting := gateway.Count(queued, "message waits", "messages wait")
	switch {
	case len(peers) == 0:
		x.warn("other parties", "", "no others are known")
	case len(away) == len(peers):
		x.fail("other parties", "look at your own connection and firewall; see Ports and firewall in docs/operators.md",
			"no contact in the last day with any of them: %s; %s", list(away), waiting)
	case len(away) > 0:
		x.warn("other parties", "call them: doorstroom register show has their numbers", "no contact in the last day with %d of %d: %s; %s", len(away), len(peers), list(away), waiting)
	default:
		x.ok("other parties", "contact with all of them (%d) in the last day; %s", len(peers), waiting)
	}
}

func (x *examination) backup(ctx context.Context) {
	if x.store == nil {
		return
	}
	last, ok, err := x.store.LastBackup(ctx)
	if err != nil {
		return // database tells
	}
	old := max(gateway.WarnAfter, 2*x.c.Backup.Every)
	switch _, gone := os.Stat(last.Path); {
	case !ok && x.c.Backup.Every == 0:
		x.warn("backup", "set backup.every, or make one: doorstroom backup", "none was ever made, and none is made by itself")
	case !ok && x.now.Sub(time.Unix(int64(x.store.Incarnation()), 0)) < old:
		x.ok("backup", "none was made yet of this database, which is new or was just restored")
	case !ok:
		x.fail("backup", "doorstroom backup", "none was ever made")
	case x.now.Sub(last.At) > old:
		x.fail("backup", "doorstroom backup says why", "the last good one is of %s", day(last.At))
	case gone != nil:
		x.warn("backup", "doorstroom backup, if you did not move it yourself", "the last one, of %s, is not where it was written", day(last.At))
	default:
		x.ok("backup", "the last good one is of %s", last.At.In(gateway.Amsterdam()).Format("2006-01-02 15:04"))
	}
}

func (x *examination) descriptors() {
	limit, err := openFiles()
	if err != nil {
		return // not on this system
	}
	need := uint64(x.c.Limits.Connections)*filesPerPeer + spareFiles
	if limit < need {
		x.warn("open files", "set LimitNOFILE in the service, or lower limits.connections", "%d are allowed, and %d connections may need %d", limit, x.c.Limits.Connections, need)
		return
	}
	x.ok("open files", "%d are allowed", limit)
}
