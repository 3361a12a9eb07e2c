package gateway

import (
	"errors"
	"fmt"
)

// Kind says what went wrong, coarsely enough that one table maps it to an HTTP
// status and the command line to an exit code.
type Kind int

const (
	Internal        Kind = iota // our fault, or the machine's
	Invalid                     // the input is wrong; sending it again will not help
	Unauthenticated             // we do not know who asks
	Denied                      // we know who asks, and policy or role says no
	NotFound
	Conflict    // the state does not allow it now
	Limit       // too much, too large, too fast
	Unavailable // try again later
)

// Error is the one error type that crosses packages. Message is safe for the
// peer and for the screen: it never repeats a value from the input. Err is for
// the log.
type Error struct {
	Kind    Kind
	Message string
	Err     error
}

func (e *Error) Error() string {
	if e.Err == nil {
		return e.Message
	}
	return e.Message + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error whose Message is safe to show. Give it constants and
// names of fields, lists and parties, never values from a message or a file of
// persons.
func Errorf(kind Kind, format string, args ...any) error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap keeps err for the log behind a message that is safe to show.
func Wrap(kind Kind, err error, message string) error {
	return &Error{Kind: kind, Message: message, Err: err}
}

// KindOf is the kind of the nearest Error in the chain; other errors are
// Internal.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// SafeMessage is what may be shown of err to a peer or on a screen.
func SafeMessage(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	return "internal error"
}
