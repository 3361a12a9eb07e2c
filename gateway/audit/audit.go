// Package audit makes what a privacy officer reads about policies, and tries what
// they expect of them: use it to report on a policy or to hold it to its
// expectations, and gateway/policy to decide. It is pure: no I/O, no clock.
package audit
