package backtest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestReplay draws signals as text, a minute a letter: # is outside the bound.
// So are the answers: F is a minute in which the alert fires.
func TestReplay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		wait, keep time.Duration
		signal     string
		want       string
	}{
		"never outside":               {5 * time.Minute, 0, "..........", ".........."},
		"too short":                   {5 * time.Minute, 0, "..#####...", ".........."},
		"just as long as for":         {5 * time.Minute, 0, "..######..", ".......F.."},
		"a gap begins anew":           {3 * time.Minute, 0, "###.####..", ".......F.."},
		"fires until it is inside":    {2 * time.Minute, 0, ".#####....", "...FFF...."},
		"no for":                      {0, 0, ".#..##....", ".F..FF...."},
		"twice":                       {time.Minute, 0, "##..###...", ".F...FF..."},
		"keeps firing":                {time.Minute, 3 * time.Minute, "##........", ".FFFF....."},
		"keeps firing over a gap":     {time.Minute, 3 * time.Minute, "##.##.....", ".FFFFFFF.."},
		"the gap begins anew":         {0, 2 * time.Minute, "#.#.#.....", "FFFFFFF..."},
		"a longer gap ends it":        {time.Minute, 2 * time.Minute, "##...##...", ".FFF..FFF."},
		"pending is not kept":         {3 * time.Minute, 5 * time.Minute, "##.##.....", ".........."},
		"still firing at the end":     {time.Minute, 0, "......####", ".......FFF"},
		"kept beyond the end":         {0, time.Hour, "........#.", "........FF"},
		"outside from the first step": {0, 0, "##########", "FFFFFFFFFF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)
			outside := make([]bool, len(test.signal))
			for i := range test.signal {
				outside[i] = test.signal[i] == '#'
			}
			got := []byte(strings.Repeat(".", len(test.signal)))
			for _, e := range Replay(outside, begin, time.Minute, test.wait, test.keep) {
				for i := range got {
					if at := begin.Add(time.Duration(i) * time.Minute); !at.Before(e.From) && at.Before(e.To) {
						got[i] = 'F'
					}
				}
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.signal, diff)
			}
		})
	}
}

func TestStepKeepsThePointsWithinBounds(t *testing.T) {
	t.Parallel()
	for window, want := range map[time.Duration]time.Duration{
		time.Hour: 30 * time.Second, 48 * time.Hour: 30 * time.Second, 72 * time.Hour: 30 * time.Second,
		7 * 24 * time.Hour: 90 * time.Second, 30 * 24 * time.Hour: 5 * time.Minute,
	} {
		if got := StepOf(window); got != want || window/got > maxPoints {
			t.Errorf("StepOf(%s) = %s, %d points; want %s", window, got, window/got, want)
		}
	}
}
