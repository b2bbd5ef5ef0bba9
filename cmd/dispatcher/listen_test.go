package main

import "testing"

func TestShowableKeepsTerminalsSafe(t *testing.T) {
	for body, want := range map[string]string{
		`{"text":"Grüße 👋"}`:   `{"text":"Grüße 👋"}`,
		"{\n\t\"a\": 1\n}":     "{\n\t\"a\": 1\n}",
		"\x1b[2Jgone":          `"\x1b[2Jgone"`,
		"right\u202eleft":      `"right\u202eleft"`,
		"\xff":                 `"\xff"`,
		"over\rwritten\u009bK": `"over\rwritten\u009bK"`,
	} {
		if got := showable([]byte(body)); got != want {
			t.Errorf("%q is shown as %s, want %s", body, got, want)
		}
	}
}
