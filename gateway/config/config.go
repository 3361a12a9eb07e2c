// Package config reads the one file by which a node is set up. Load is strict:
// an unknown key, a wrong type or a value that cannot be is an error, and all
// errors come at once, each with its line and with what to do about it. What
// the file leaves out has the value of Default.
//
// config.example.yaml at the top of the repository shows every key; it is made
// from the template in this package, and so is the file that New writes for a
// new node.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Config is the whole configuration of a node. It is a value: a reload makes a
// new one. Keys tagged reload take effect when a running node reloads; Diff
// names the others. Keys tagged path hold files and folders: in the file they
// are relative to the file's own folder, in a loaded Config they are absolute.
type Config struct {
	Party     gateway.OIN `yaml:"party"`
	Name      string      `yaml:"name"`
	Data      string      `yaml:"data" path:"yes"`
	Keys      string      `yaml:"keys" path:"yes"`
	Vault     string      `yaml:"vault" path:"yes"`
	Listen    Listen      `yaml:"listen"`
	Local     Local       `yaml:"local"`
	Register  Register    `yaml:"register"`
	Policy    Policy      `yaml:"policy"`
	Drop      Drop        `yaml:"drop"`
	Capacity  Capacity    `yaml:"capacity"`
	Callers   []Caller    `yaml:"callers" reload:"yes"`
	Closed    []string    `yaml:"closed" reload:"yes"` // periods, as Closings reads them
	TLS       TLS         `yaml:"tls"`
	Backup    Backup      `yaml:"backup"`
	Witnesses Witnesses   `yaml:"witnesses"`
	Journal   Journal     `yaml:"journal"`
	Terms     Terms       `yaml:"terms" reload:"yes"`
	Retention Retention   `yaml:"retention"`
	Rights    Rights      `yaml:"rights"`
	Logboek   Logboek     `yaml:"logboek"`
	Delivery  Delivery    `yaml:"delivery"`
	Places    Places      `yaml:"places"`
	Limits    Limits      `yaml:"limits"`
	Log       Log         `yaml:"log"`
	Trace     Trace       `yaml:"trace"`
	Mail      Mail        `yaml:"mail"`
	Events    Events      `yaml:"events"`
	Webhooks  []Webhook   `yaml:"webhooks" reload:"yes"`
}

// Closings are the periods in which this party is closed, written as ISO 8601
// writes them: 2026-07-20/2026-08-07, both days included.
func (c Config) Closings() ([]gateway.Closing, error) {
	var all []gateway.Closing
	for _, period := range c.Closed {
		from, until, _ := strings.Cut(period, "/")
		all = append(all, gateway.Closing{From: gateway.Date(from), Until: gateway.Date(until)})
	}
	return all, gateway.CheckClosings(all)
}

// Listen holds addresses, host:port. An empty Public or Ops means that the node
// does not open that listener.
type Listen struct {
	Peers  string `yaml:"peers"`  // mTLS: other nodes
	Public string `yaml:"public"` // openapi.json and its documentation page
	Ops    string `yaml:"ops"`    // health and metrics
}

// Local is how programs on the same machine reach the node.
type Local struct {
	Socket string `yaml:"socket" path:"yes"`
}

// Register is the signed list of participants and the key ids (RFC 7638
// thumbprints) whose signatures make its first version trusted here.
type Register struct {
	File    string   `yaml:"file" path:"yes"`
	Anchors []string `yaml:"anchors"`
}

// Policy lists the policy files, which are read as one policy, and says who must
// agree before they come in force: a mode of package approval. Approvers lists
// those persons, Signatures is what they signed.
type Policy struct {
	Files      []string `yaml:"files" path:"yes" reload:"yes"`
	Approval   string   `yaml:"approval" reload:"yes"`
	Approvers  string   `yaml:"approvers" path:"yes" reload:"yes"`
	Signatures string   `yaml:"signatures" path:"yes" reload:"yes"`
}

// Drop is a folder in which the admin leaves its exports. An empty Folder means
// that nothing is watched.
type Drop struct {
	Folder  string        `yaml:"folder" path:"yes"`
	Mapping string        `yaml:"mapping" path:"yes"`
	Source  string        `yaml:"source"`
	Poll    time.Duration `yaml:"poll"`
}

// Capacity says when a full export is held for confirmation: when more than
// VanishOffers offers and more than VanishPercent of all would vanish.
type Capacity struct {
	VanishOffers  int `yaml:"vanish-offers" reload:"yes"`
	VanishPercent int `yaml:"vanish-percent" reload:"yes"`
}

// Caller is a person or program that may use the local API: whoever shows the
// token with this SHA-256 (lower-case hex) has these roles.
type Caller struct {
	Name   string         `yaml:"name"`
	Roles  []gateway.Role `yaml:"roles"`
	SHA256 string         `yaml:"token-sha256"`
}

// Backup says where encrypted copies of the database go, how often one is made
// by itself (0: never), how many stay, and who can read them beside the node's
// own backup key: age public keys.
type Backup struct {
	Folder     string        `yaml:"folder" path:"yes" reload:"yes"`
	Every      time.Duration `yaml:"every" reload:"yes"`
	Keep       int           `yaml:"keep" reload:"yes"`
	Recipients []string      `yaml:"recipients" reload:"yes"`
}

// Witnesses says how many other parties must cosign the head of the journal, and
// which. Without Parties they are chosen from the register.
type Witnesses struct {
	Number  int           `yaml:"number" reload:"yes"`
	Parties []gateway.OIN `yaml:"parties" reload:"yes"`
}

// Journal says how long entries of the journal are kept: afterwards only their
// hashes are.
type Journal struct {
	Retention Term `yaml:"retention" reload:"yes"`
}

// Logboek names an OTLP/HTTP receiver for the entries of the journal, as lines of
// Logboek Dataverwerkingen, and what the URIs of processing activities begin with.
// An empty Endpoint means none.
type Logboek struct {
	Endpoint   string `yaml:"endpoint"`
	Activities string `yaml:"activities"`
}

// TLS names further trust anchors (PEM files) for peers whose certificate is
// not pinned in the register, and how the node gets a certificate for its
// listeners.
type TLS struct {
	Anchors []string `yaml:"anchors" path:"yes"`
	ACME    ACME     `yaml:"acme"`
}

// ACME is a certificate authority that speaks RFC 8555. An empty Directory
// means that the node serves with its own pinned certificate.
type ACME struct {
	Directory string   `yaml:"directory"`
	Domain    string   `yaml:"domain"`
	Email     string   `yaml:"email"`
	Roots     []string `yaml:"roots" path:"yes"`
}

// Delivery bounds the work of sending.
type Delivery struct {
	Timeout  time.Duration `yaml:"timeout"`  // of one request to a peer
	Parallel int           `yaml:"parallel"` // peers at once; a peer has one batch in flight
}

// Places names a folder with a map of its own for how far places are to cycle:
// the files of package search. Of those that are not in it, or without a folder,
// the ones that come with the program count.
type Places struct {
	Folder string `yaml:"folder" path:"yes"`
}

// Limits bound what others can make the node spend. The sizes of messages and
// batches are not here: they are the protocol's, the same for all.
type Limits struct {
	Connections        int           `yaml:"connections"`
	ConnectionsPerPeer int           `yaml:"connections-per-peer"`
	RequestsPerSecond  int           `yaml:"requests-per-second"`
	QueuePerPeer       int           `yaml:"queue-per-peer"`
	Offers             int           `yaml:"offers"` // of our own
	SubjectsPerPeer    int           `yaml:"subjects-per-peer"`
	BytesPerPeer       Bytes         `yaml:"bytes-per-peer"`
	RememberedPerPeer  int           `yaml:"remembered-per-peer"`
	ReferralsPerPeer   int           `yaml:"referrals-per-peer"`
	OrphansPerPeer     int           `yaml:"orphans-per-peer"`
	DatabaseBytes      Bytes         `yaml:"database-bytes"`
	HeaderTimeout      time.Duration `yaml:"header-timeout"`
	ReadTimeout        time.Duration `yaml:"read-timeout"`
	IdleTimeout        time.Duration `yaml:"idle-timeout"`
}

// Log is the level (debug, info, warn, error) and the form (text, json) of what
// the node writes to standard error.
type Log struct {
	Level  string `yaml:"level" reload:"yes"`
	Format string `yaml:"format"`
}

// Mail is where a summary of what waits goes on working days, at a time of day in
// the Netherlands. An empty Server means none. User and Password (a file) are for
// a server that asks for them.
type Mail struct {
	Server   string   `yaml:"server" reload:"yes"`
	From     string   `yaml:"from" reload:"yes"`
	To       []string `yaml:"to" reload:"yes"`
	At       string   `yaml:"at" reload:"yes"`
	User     string   `yaml:"user" reload:"yes"`
	Password string   `yaml:"password" path:"yes" reload:"yes"`
}

// Trace names an OTLP/HTTP receiver for traces, and how many of a hundred
// operations and messages are traced. An empty Endpoint means none.
type Trace struct {
	Endpoint string `yaml:"endpoint"`
	Percent  int    `yaml:"percent"`
}

// Default is what holds for every key that a file leaves out. It has no party:
// a file cannot do without.
func Default() Config {
	return Config{
		Data:      "data",
		Vault:     "vault.key",
		Listen:    Listen{Peers: ":8443", Ops: "127.0.0.1:9443"},
		Register:  Register{File: "register.jws"},
		Policy:    Policy{Files: []string{"policy.yaml"}, Approval: "none", Approvers: "approvers.yaml", Signatures: "approval.json"},
		Drop:      Drop{Source: "admin", Poll: 30 * time.Second},
		Capacity:  Capacity{VanishOffers: 3, VanishPercent: 20},
		Backup:    Backup{Every: 24 * time.Hour, Keep: 7},
		Witnesses: Witnesses{Number: 2},
		Journal:   Journal{Retention: "P7Y"},
		Terms:     defaultTerms(),
		Retention: Retention{Referrals: "P90D"},
		Rights:    Rights{Answer: "20 werkdagen", Erase: "ask"},
		Delivery:  Delivery{Timeout: 30 * time.Second, Parallel: 16},
		Limits: Limits{
			Connections:        1000,
			ConnectionsPerPeer: 8,
			RequestsPerSecond:  200,
			QueuePerPeer:       100_000,
			Offers:             gateway.MaxShown,
			SubjectsPerPeer:    2 * gateway.MaxShown, // all of them replaced by others at once
			BytesPerPeer:       200e6,
			RememberedPerPeer:  1_000_000,
			ReferralsPerPeer:   10_000,
			OrphansPerPeer:     10_000,
			DatabaseBytes:      4e9,
			HeaderTimeout:      10 * time.Second,
			ReadTimeout:        time.Minute,
			IdleTimeout:        2 * time.Minute,
		},
		Log:   Log{Level: "info", Format: "text"},
		Trace: Trace{Percent: 100},
		Mail:  Mail{At: "08:30"},

		Events: Events{Keep: "P90D", Most: 100_000},
	}
}

// Load reads the file at path. The error is a gateway.Error of kind Invalid
// whose message holds one line per problem: file, line, key and what to do.
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, gateway.Wrap(gateway.NotFound, err, "cannot read the configuration file "+path)
	}
	return Parse(path, data)
}

// Parse is Load for a file that has been read already; path names it in errors
// and is what relative paths in it are relative to.
func Parse(path string, data []byte) (Config, error) {
	c := Default()
	d := decode(data, &c)
	if !d.broken {
		check(d, c)
	}
	if err := d.err(path); err != nil {
		return Config{}, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, fmt.Errorf("find the folder of the configuration: %w", err)
	}
	if c.Keys == "" {
		c.Keys = filepath.Join(c.Data, "keys")
	}
	if c.Local.Socket == "" {
		c.Local.Socket = filepath.Join(c.Data, "node.sock")
	}
	if c.Backup.Folder == "" {
		c.Backup.Folder = filepath.Join(c.Data, "backups")
	}
	resolve(dir, reflect.ValueOf(&c).Elem())
	return c, nil
}

// resolve makes every path absolute.
func resolve(dir string, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Field(i)
		switch isPath := v.Type().Field(i).Tag.Get("path") != ""; {
		case isPath && field.Kind() == reflect.String:
			field.SetString(within(dir, field.String()))
		case isPath:
			paths := slices.Clone(field.Interface().([]string)) // Default's must stay as they are
			for j, p := range paths {
				paths[j] = within(dir, p)
			}
			field.Set(reflect.ValueOf(paths))
		case field.Kind() == reflect.Struct:
			resolve(dir, field)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			for j := range field.Len() { // of the file: Default has no such lists
				resolve(dir, field.Index(j))
			}
		}
	}
}

func within(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// Diff lists the keys that differ between two configurations and that a running
// node cannot take over: to change those it must be started again.
func Diff(old, new Config) []string {
	return diff("", reflect.ValueOf(old), reflect.ValueOf(new))
}

func diff(prefix string, old, new reflect.Value) []string {
	var keys []string
	for i := range old.NumField() {
		field := old.Type().Field(i)
		key := prefix + field.Tag.Get("yaml")
		switch {
		case field.Tag.Get("reload") != "":
		case field.Type.Kind() == reflect.Struct:
			keys = append(keys, diff(key+".", old.Field(i), new.Field(i))...)
		case !reflect.DeepEqual(old.Field(i).Interface(), new.Field(i).Interface()):
			keys = append(keys, key)
		}
	}
	return keys
}

// problem is one thing wrong in a file.
type problem struct {
	line int
	key  string
	text string
}

func problemsError(path string, problems []problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b problem) int { return a.line - b.line })
	var lines []string
	for _, p := range problems {
		where := fmt.Sprintf("%s:%d", path, p.line)
		if p.key != "" {
			where += ": " + p.key
		}
		lines = append(lines, where+": "+p.text)
	}
	return gateway.Errorf(gateway.Invalid, "%s", strings.Join(lines, "\n"))
}
