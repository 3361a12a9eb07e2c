package search

import (
	"math"

	"github.com/doorstroom/doorstroom/gateway"
)

// point is a place in kilometres in the Dutch grid (RD New, EPSG:28992).
type point struct{ x, y float64 }

func (p point) to(q point) float64 { return math.Sqrt((q.x-p.x)*(q.x-p.x) + (q.y-p.y)*(q.y-p.y)) }

// grid turns degrees into the Dutch grid by the approximation of Schreutelkamp
// and Strang van Hees (Geodesia, 2001), which is right to about a metre. Degrees
// of ETRS89 and of WGS 84 are the same for this purpose.
func grid(c gateway.Coordinates) point {
	phi, lambda := 0.36*(c.Lat-52.15517440), 0.36*(c.Lon-5.38720621)
	// The terms by powers of λ, each a polynomial of φ.
	x := 155000 - 0.705*phi + lambda*(190094.945+phi*(-11832.228+phi*(-114.221-2.340*phi))+
		lambda*(-0.008+lambda*(-32.391+phi*(-0.608+0.148*phi))))
	y := 463000 + phi*(309056.544+phi*(73.077+59.788*phi)) + lambda*(0.433-0.032*phi+
		lambda*(3638.893+phi*(-157.984-6.439*phi)+lambda*lambda*(0.092-0.054*phi)))
	return point{x / 1000, y / 1000}
}

// inNetherlands bounds what grid is right for.
func inNetherlands(c gateway.Coordinates) bool {
	return c.Lat >= 50 && c.Lat <= 54 && c.Lon >= 3 && c.Lon <= 8
}
