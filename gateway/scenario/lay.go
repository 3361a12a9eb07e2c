package scenario

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// Where Lay puts what is not of one party.
const (
	registrarFolder = "registrar"
	registrarKey    = "signing.pem"
	signedFile      = "register.jws"
)

// maxSocket is what a path of a unix socket may be: sockaddr_un has room for 104
// bytes on some systems.
const maxSocket = 100

// Laid is a federation on disk whose nodes can be started.
type Laid struct {
	Dir     string
	Members []LaidMember // in the order of the scenario
}

// LaidMember is the folder of one node.
type LaidMember struct {
	Member
	Dir    string
	Config config.Config
}

// ConfigFile is the path of the configuration.
func (m LaidMember) ConfigFile() string { return filepath.Join(m.Dir, node.ConfigFile) }

// member is the folder of a member, which is there.
func (l *Laid) member(m Member) LaidMember {
	return l.Members[slices.IndexFunc(l.Members, func(lm LaidMember) bool { return lm.OIN == m.OIN })]
}

// Lay makes a folder for every node in dir, with fresh keys, free ports of this
// machine, and a register signed by a registrar whose key is in dir too. Where
// there is a federation already, it is a Conflict.
func (s *Scenario) Lay(dir string, now time.Time) (*Laid, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find folder: %w", err)
	}
	keyFile := filepath.Join(dir, registrarFolder, registrarKey)
	if _, err := os.Stat(keyFile); err == nil {
		return nil, gateway.Errorf(gateway.Conflict, "in deze map staat al een federatie; kies een andere map of ruim haar op")
	}
	addresses, err := FreeAddresses(3 * len(s.members))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(keyFile), 0o700); err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "de map kan niet worden gemaakt")
	}
	registrar, err := seal.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make registrar key: %w", err)
	}
	if err := identity.WriteSecret(keyFile, registrar.PEM()); err != nil {
		return nil, fmt.Errorf("write registrar key: %w", err)
	}
	laid := &Laid{Dir: dir}
	doc := register.New([]register.Signer{{Name: s.signer, Key: registrar.Public(now.UTC().Truncate(time.Second))}}, 1, now)
	for i, m := range s.members {
		a := addresses[3*i:]
		listen := config.Listen{Peers: a[0], Public: a[1], Ops: a[2]}
		party, lm, err := s.layMember(filepath.Join(dir, m.Folder), m, listen, registrar.KID(), now)
		if err != nil {
			return nil, fmt.Errorf("lay out %s: %w", m.Name, err)
		}
		doc = register.Add(doc, party)
		laid.Members = append(laid.Members, lm)
	}
	return laid, laid.signRegister(doc, registrar)
}

// layMember makes one node's folder and gives its entry in the register.
func (s *Scenario) layMember(dir string, m Member, listen config.Listen, anchor string, now time.Time) (gateway.Party, LaidMember, error) {
	plan := node.Plan{
		Party: m.OIN, Name: m.Name, Kind: m.Kind, Endpoint: "https://" + listen.Peers, Contact: m.Contact,
		Listen: listen, Anchors: []string{anchor},
	}
	for _, code := range m.Gemeenten {
		plan.Gemeenten = append(plan.Gemeenten, gateway.GemeenteFor{Code: code})
	}
	party, err := node.Create(dir, plan, now)
	if err != nil {
		return gateway.Party{}, LaidMember{}, err
	}
	party.Mandates = m.Mandates
	if err := s.writeConfig(dir, m, listen, anchor); err != nil {
		return gateway.Party{}, LaidMember{}, err
	}
	names := m.policyFiles()
	if m.Source != "" {
		names = append(names, mappingFile, m.Source)
	}
	if err := s.copy(m, dir, names...); err != nil {
		return gateway.Party{}, LaidMember{}, err
	}
	lm := LaidMember{Member: m, Dir: dir}
	if lm.Config, err = config.Load(lm.ConfigFile()); err != nil {
		return gateway.Party{}, LaidMember{}, err
	}
	if len(lm.Config.Local.Socket) > maxSocket {
		return gateway.Party{}, LaidMember{}, gateway.Errorf(gateway.Invalid, "het pad van de map is te lang voor een socket; kies een kortere")
	}
	if folder := lm.Config.Drop.Folder; folder != "" {
		err = os.MkdirAll(folder, 0o755)
	}
	return party, lm, err
}

// writeConfig puts the scenario's own configuration in the place of that of
// node.Create, whose token it keeps.
func (s *Scenario) writeConfig(dir string, m Member, listen config.Listen, anchor string) error {
	token, err := node.ReadToken(filepath.Join(dir, node.TokenFile))
	if err != nil {
		return fmt.Errorf("read token: %w", err)
	}
	file, err := s.read(m, node.ConfigFile)
	if err != nil {
		return err
	}
	filled := strings.NewReplacer(
		"{{peers}}", listen.Peers, "{{public}}", listen.Public, "{{ops}}", listen.Ops,
		"{{anchor}}", anchor, "{{token}}", gateway.Hash([]byte(token)),
	).Replace(string(file))
	return os.WriteFile(filepath.Join(dir, node.ConfigFile), []byte(filled), 0o644)
}

// signRegister gives every node the first register, and dir a copy.
func (l *Laid) signRegister(doc register.Document, registrar *seal.Key) error {
	file, err := register.Encode(doc)
	if err != nil {
		return fmt.Errorf("encode register: %w", err)
	}
	if file, err = register.Sign(file, registrar); err != nil {
		return fmt.Errorf("sign register: %w", err)
	}
	errs := []error{os.WriteFile(filepath.Join(l.Dir, signedFile), file, 0o644)}
	for _, m := range l.Members {
		errs = append(errs, os.WriteFile(m.Config.Register.File, file, 0o644))
	}
	return errors.Join(errs...)
}

// Ports to choose from lie below those that systems give to outgoing
// connections: while the last node still has to start, the first are already
// calling others, and would take its port at random.
const (
	firstPort = 20000
	ports     = 12000
)

// FreeAddresses finds n loopback addresses, host:port, on which nobody listens, for
// nodes that are about to be started. They lie together: another process that
// looks at the same time is then unlikely to find one of them. The code of its
// error is Unavailable.
func FreeAddresses(n int) ([]string, error) {
	var free []string
	from := rand.IntN(ports)
	for i := range ports {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+(from+i)%ports)))
		if err != nil {
			continue // taken
		}
		defer l.Close() // not before all have been found: no port twice
		if free = append(free, l.Addr().String()); len(free) == n {
			return free, nil
		}
	}
	return nil, gateway.Errorf(gateway.Unavailable, "er zijn op deze computer geen vrije poorten gevonden")
}
