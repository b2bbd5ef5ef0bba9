package main

import (
	"reflect"
	"testing"
	"time"
)

const testLoad = 6 * time.Second

func TestASeedGivesTheSameFaultsAgain(t *testing.T) {
	for seed := range uint64(50) {
		if a, b := schedule(seed, testLoad), schedule(seed, testLoad); !reflect.DeepEqual(a, b) {
			t.Errorf("seed %d: %v and %v", seed, a, b)
		}
	}
}

func TestSchedulesKeepTheirRules(t *testing.T) {
	kinds := make(map[kind]bool)
	for seed := range uint64(400) {
		faults := schedule(seed, testLoad)
		if n := len(faults); n < 2 || n > 4 {
			t.Errorf("seed %d: %d faults", seed, n)
		}
		turn := false
		for i, f := range faults {
			kinds[f.kind] = true
			turn = turn || f.kind == kills[seed%uint64(len(kills))]
			if f.at < 0 || f.at >= testLoad || f.target < 1 || f.target > dispatchers {
				t.Errorf("seed %d: %v is out of bounds", seed, f)
			}
			if f.kind == freezeDispatcher && f.lasts <= 6*time.Second {
				t.Errorf("seed %d: %v is shorter than a session", seed, f)
			}
			for _, g := range faults[:i] {
				if f.at < g.at {
					t.Errorf("seed %d: not in order", seed)
				}
				if f.collides(g) {
					t.Errorf("seed %d: %v and %v befall one thing at a time", seed, f, g)
				}
			}
		}
		if !turn {
			t.Errorf("seed %d: not the kill whose turn it is", seed)
		}
	}
	if len(kinds) != len(odds) {
		t.Errorf("400 seeds gave %d of %d kinds", len(kinds), len(odds))
	}
}
