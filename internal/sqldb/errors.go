package sqldb

import (
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Duplicate tells whether err is a broken PRIMARY KEY or UNIQUE.
func Duplicate(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505"
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	return false
}

// Contended tells whether the database gave a transaction up for another one: run again, it may pass.
func Contended(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	return false
}

// Refused tells whether err says that the database will never take these values, however often they are written: they
// break a constraint, are of a wrong form, or too large. Other errors are faults of the moment, or of the database.
func Refused(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && len(pg.Code) == 5 {
		switch pg.Code[:2] {
		case "22", "23", "54": // data exception, integrity constraint violation, program limit exceeded
			return true
		}
		return false
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch lite.Code() & 0xff {
		case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
			return true
		}
	}
	return false
}

// missingTable tells whether err says that a table, or its schema, does not exist.
func missingTable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "42P01" || pg.Code == "3F000"
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code() == sqlite3.SQLITE_ERROR && strings.Contains(lite.Error(), "no such table")
	}
	return false
}

// redacted is err with the URL's secrets taken out of its text; the chain below it stays for errors.As.
type redacted struct {
	text string
	err  error
}

func (r *redacted) Error() string { return r.text }

// Unwrap gives the cause for errors.Is and errors.As; printing it may show what Error hides.
func (r *redacted) Unwrap() error { return r.err }

// redact takes the URL's password out of err's text, and joins it into one line. The password is looked for as the URL
// wrote it and as it reads.
func redact(err error, u *url.URL) error {
	if err == nil {
		return nil
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	for _, secret := range secretsOf(u) {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return &redacted{text: text, err: err}
}

func secretsOf(u *url.URL) []string {
	var found []string
	add := func(s string) {
		if s == "" {
			return
		}
		found = append(found, s, url.QueryEscape(s), url.PathEscape(s))
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(password)
		if _, raw, ok := strings.Cut(u.User.String(), ":"); ok && raw != "" {
			found = append(found, raw)
		}
	}
	for _, key := range []string{"password", "sslpassword"} {
		for _, value := range u.Query()[key] {
			add(value)
		}
	}
	return found
}
