package flagd

import (
	"fmt"
	"math"
)

// maxWeight bounds the sum of the weights of a fractional operation.
const maxWeight = math.MaxInt32

// share is one part of a fractional operation.
type share struct {
	value, weight expression
	// written is the weight when it is fixed.
	written int64
}

// compileFractional spreads subjects over shares: the murmur3 hash of the
// bucketing text, as a fraction of all hashes, falls into one of them. A
// mistake gives nothing.
func compileFractional(c *compiler, arguments []any, path string, depth int) (node, *Problem) {
	var bucket node
	first := 0
	if _, isShare := arguments[0].([]any); !isShare {
		compiled, problem := c.expression(arguments[0], path+"[0]", depth+1)
		if problem != nil {
			return nil, problem
		}
		bucket, first = compiled.run, 1
	}
	shares := make([]share, 0, len(arguments)-first)
	total, computed := int64(0), false
	for i := first; i < len(arguments); i++ {
		at := fmt.Sprintf("%s[%d]", path, i)
		next, problem := c.share(arguments[i], at, depth)
		if problem != nil {
			return nil, problem
		}
		shares, total, computed = append(shares, next), total+next.written, computed || !next.weight.fixed
	}
	switch {
	case len(shares) == 0:
		return nil, &Problem{clipPath(path), "has no shares", `list them after the bucketing value, for example ["enabled", 25], ["disabled", 75]`}
	case total > maxWeight:
		return nil, &Problem{clipPath(path), fmt.Sprintf("has weights that sum to %d", total), fmt.Sprintf("the sum is at most %d", maxWeight)}
	}
	return func(m *machine, data any) any {
		hash, ok := m.bucketHash(bucket, data)
		if !ok {
			return nil
		}
		if computed {
			return m.spread(hash, shares, data)
		}
		return pick(m, hash, shares, total, func(i int) int64 { return shares[i].written }, data)
	}, nil
}

func (c *compiler) share(tree any, path string, depth int) (share, *Problem) {
	list, ok := tree.([]any)
	if !ok || len(list) < 1 || len(list) > 2 {
		return share{}, &Problem{clipPath(path), "is no share", `write a variant and its weight, for example ["enabled", 25]`}
	}
	parts, problem := c.expressions(list, path, depth+1)
	if problem != nil {
		return share{}, problem
	}
	s := share{value: parts[0], weight: fixed(1.0)}
	if len(parts) == 2 {
		s.weight = parts[1]
	}
	if s.weight.fixed {
		if s.written, ok = weightOf(s.weight.value); !ok {
			return share{}, &Problem{clipPath(path + "[1]"), fmt.Sprintf("is %s, which is no weight", clip(jsonText(s.weight.value))), fmt.Sprintf("write a whole number from 0 to %d", maxWeight)}
		}
	}
	if !s.value.fixed || isPlain(s.value.value) {
		return s, nil
	}
	return share{}, &Problem{clipPath(path + "[0]"), "is a list", "name a variant"}
}

// bucketHash hashes what the operation buckets by: a text, or by default the
// flag's key followed by the targeting key.
func (m *machine) bucketHash(bucket node, data any) (uint32, bool) {
	if bucket != nil {
		switch by := bucket(m, data).(type) {
		case string:
			return murmur3(by, ""), m.spend(len(by) / 16)
		case nil:
		default:
			return 0, false
		}
	}
	subject := m.context.TargetingKey
	if subject == "" {
		subject, _ = m.context.Attributes[targetingKeyName].(string)
	}
	_, given := m.context.Attributes[targetingKeyName].(string)
	return murmur3(m.key, subject), (subject != "" || given) && m.spend(len(subject)/16)
}

// spread computes the weights first.
func (m *machine) spread(hash uint32, shares []share, data any) any {
	weights, total := make([]int64, len(shares)), int64(0)
	for i := range shares {
		weight, ok := weightOf(shares[i].weight.run(m, data))
		if !ok {
			return nil
		}
		weights[i], total = weight, total+weight
	}
	if total > maxWeight {
		return nil
	}
	return pick(m, hash, shares, total, func(i int) int64 { return weights[i] }, data)
}

func pick(m *machine, hash uint32, shares []share, total int64, weight func(int) int64, data any) any {
	bucket := int64(uint64(hash) * uint64(total) >> 32) //nolint:gosec // the product of 32 and 31 bits
	end := int64(0)
	for i := range shares {
		if end += weight(i); bucket < end {
			value := shares[i].value.run(m, data)
			if !isPlain(value) {
				return nil
			}
			return value
		}
	}
	return nil
}

// weightOf reads a weight: none is 1 and a negative one 0.
func weightOf(value any) (int64, bool) {
	switch v := value.(type) {
	case nil:
		return 1, true
	case float64:
		if v != math.Trunc(v) || v > maxWeight {
			return 0, false
		}
		return int64(max(0, v)), true
	default:
		return 0, false
	}
}
