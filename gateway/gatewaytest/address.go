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
// the process: neither tests side by side nor other processes use it. The port
// lies below those that systems give to outgoing connections. It is not tried
// out: a process that is being started at that moment by another test would keep
// the trial open a little longer, and the address would be in use.
func FreeAddress(t testing.TB) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", os.Getpid(), t.Name()))
	host := net.IPv4(127, 1+sum[0]%250, sum[1], 1+sum[2]%250).String()
	return net.JoinHostPort(host, fmt.Sprint(10000+rand.IntN(20000)))
}
