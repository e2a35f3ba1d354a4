package flags

import (
	"fmt"
	"slices"

	"github.com/rsolv-dev/rsolv-operator/internal/flagd"
)

// fit chooses what goes into the file. What is published has its room before
// anything new is let in, so that nothing is ever pushed out by a neighbour;
// of what is new, the older comes first. It never cuts a definition short.
func fit(candidates []*candidate, kept []flagd.Entry, limit int) []flagd.Entry {
	if limit <= 0 {
		limit = MaxFileBytes
	}
	order := slices.SortedFunc(slices.Values(candidates), func(a, b *candidate) int {
		switch {
		case a.older(b):
			return -1
		case b.older(a):
			return 1
		default:
			return 0
		}
	})
	used := flagd.EmptyFileBytes
	for _, entry := range kept {
		used += entry.Size()
	}
	for _, c := range order {
		used += c.reserved()
	}
	var entries []flagd.Entry
	for _, c := range order {
		v := &c.verdict
		if c.entry != nil && used-c.reserved()+c.entry.Size() > limit {
			v.TooLarge = true
			v.Message = fmt.Sprintf("the flag takes %d bytes and the app's flags may take %d together; shorten its values or those of other flags, or delete flags", c.entry.Size(), limit)
		}
		switch {
		case c.entry != nil && !v.TooLarge:
			used += c.entry.Size() - c.reserved()
			entries, v.Default = append(entries, *c.entry), v.Flag.Spec.DefaultVariant
		case c.lastGood != nil:
			entries, v.Default = append(entries, *c.lastGood), c.lastDefault
		}
	}
	return entries
}

// reserved is the room that is the flag's already: what it has published, or
// less if it needs less.
func (c *candidate) reserved() int {
	switch {
	case c.lastGood == nil:
		return 0
	case c.entry == nil:
		return c.lastGood.Size()
	default:
		return min(c.lastGood.Size(), c.entry.Size())
	}
}
