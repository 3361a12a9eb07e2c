package gatewaytest

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
)

// FreeAddress is a loopback address, host:port, for a node that is to listen
// later. The host is one of 127.0.0.0/8 by the name of the test and the number of
// the process: neither tests side by side nor other processes take the address
// meanwhile. The port lies below those that systems give to outgoing connections.
func FreeAddress(t testing.TB) string {
	t.Helper()
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", os.Getpid(), t.Name()))
	host := net.IPv4(127, 1+sum[0]%250, sum[1], 1+sum[2]%250).String()
	for range 100 {
		l, err := net.Listen("tcp", net.JoinHostPort(host, fmt.Sprint(10000+rand.IntN(20000))))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return l.Addr().String()
	}
	t.Fatal("no free port on " + host)
	return ""
}
