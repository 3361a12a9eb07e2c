package search

import (
	"math"

	"github.com/doorstroom/doorstroom/gateway"
)

// point is a place in kilometres in the Dutch grid (RD New, EPSG:28992).
type point struct{ x, y float64 }

func (p point) to(q point) float64 { return math.Sqrt((q.x-p.x)*(q.x-p.x) + (q.y-p.y)*(q.y-p.y)) }

// term is one term of a polynomial: c·φᵖ·λᵠ.
type term struct {
	p, q int
	c    float64
}

// grid turns degrees into the Dutch grid by the approximation of Schreutelkamp
// and Strang van Hees (Geodesia, 2001), which is right to about a metre. Degrees
// of ETRS89 and of WGS 84 are the same for this purpose.
func grid(c gateway.Coordinates) point {
	phi, lambda := 0.36*(c.Lat-52.15517440), 0.36*(c.Lon-5.38720621)
	sum := func(terms ...term) (metres float64) {
		for _, t := range terms {
			metres += t.c * math.Pow(phi, float64(t.p)) * math.Pow(lambda, float64(t.q))
		}
		return metres
	}
	x := 155000 + sum(
		term{0, 1, 190094.945}, term{1, 1, -11832.228}, term{2, 1, -114.221}, term{0, 3, -32.391}, term{1, 0, -0.705},
		term{3, 1, -2.340}, term{1, 3, -0.608}, term{0, 2, -0.008}, term{2, 3, 0.148})
	y := 463000 + sum(
		term{1, 0, 309056.544}, term{0, 2, 3638.893}, term{2, 0, 73.077}, term{1, 2, -157.984}, term{3, 0, 59.788},
		term{0, 1, 0.433}, term{2, 2, -6.439}, term{1, 1, -0.032}, term{0, 4, 0.092}, term{1, 4, -0.054})
	return point{x / 1000, y / 1000}
}

// inNetherlands bounds what grid is right for.
func inNetherlands(c gateway.Coordinates) bool {
	return c.Lat >= 50 && c.Lat <= 54 && c.Lon >= 3 && c.Lon <= 8
}
