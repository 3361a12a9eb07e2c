package identity

import (
	"context"
	"log/slog"
	"slices"

	"go.uber.org/zap/zapcore"
)

// slogCore lets certmagic, which wants zap, log to slog.
type slogCore struct {
	logger *slog.Logger
	fields []zapcore.Field
}

func levelOf(l zapcore.Level) slog.Level {
	switch {
	case l <= zapcore.DebugLevel:
		return slog.LevelDebug
	case l == zapcore.InfoLevel:
		return slog.LevelInfo
	case l == zapcore.WarnLevel:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

func (c *slogCore) Enabled(l zapcore.Level) bool {
	return c.logger.Enabled(context.Background(), levelOf(l))
}

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{logger: c.logger, fields: append(slices.Clip(c.fields), fields...)}
}

func (c *slogCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write passes on only the fields that help and tell nothing of people:
// certmagic also logs contacts and remote addresses. Below a warning its errors
// are part of the normal course and hold both as well.
func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	values := zapcore.NewMapObjectEncoder()
	for _, f := range append(slices.Clip(c.fields), fields...) {
		f.AddTo(values)
	}
	names := []string{"identifier", "challenge_type", "attempt", "expiration"}
	if e.Level >= zapcore.WarnLevel {
		names = append(names, "error")
	}
	attrs := []slog.Attr{slog.String("component", "acme")}
	for _, name := range names {
		if v, ok := values.Fields[name]; ok {
			attrs = append(attrs, slog.Any(name, v))
		}
	}
	c.logger.LogAttrs(context.Background(), levelOf(e.Level), e.Message, attrs...)
	return nil
}

func (*slogCore) Sync() error { return nil }
