package flagd

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
)

// murmur3 is the 32-bit MurmurHash3 with seed 0 of the two texts joined.
func murmur3(first, second string) uint32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	var hash, block uint32
	size := len(first) + len(second)
	for i := range size {
		var c byte
		if i < len(first) {
			c = first[i]
		} else {
			c = second[i-len(first)]
		}
		block |= uint32(c) << (8 * (i % 4))
		if i%4 == 3 {
			hash ^= bits.RotateLeft32(block*c1, 15) * c2
			hash = bits.RotateLeft32(hash, 13)*5 + 0xe6546b64
			block = 0
		}
	}
	if size%4 != 0 {
		hash ^= bits.RotateLeft32(block*c1, 15) * c2
	}
	hash ^= uint32(size) //nolint:gosec // the algorithm counts modulo 2^32
	hash = (hash ^ hash>>16) * 0x85ebca6b
	hash = (hash ^ hash>>13) * 0xc2b2ae35
	return hash ^ hash>>16
}

// percentageOfActors is the operation that spreads actors as FunWithFlags
// does, so that imported percentages keep their actors: it takes the actor,
// the flag's name as it was, and the ratio, and tells whether the actor is
// among that part. Plain flagd does not know it.
const percentageOfActors = "percentage_of_actors"

func compilePercentage(c *compiler, arguments []any, path string, depth int) (node, *Problem) {
	parts, problem := c.expressions(arguments, path, depth)
	if problem != nil {
		return nil, problem
	}
	name, ok := parts[1].value.(string)
	if !ok || name == "" {
		return nil, &Problem{clipPath(path + "[1]"), "is no flag's name", "write the name that the actors were counted by"}
	}
	ratio, ok := parts[2].value.(float64)
	if !ok || ratio < 0 || ratio > 1 {
		return nil, &Problem{clipPath(path + "[2]"), fmt.Sprintf("is %s", clip(jsonText(parts[2].value))), "write the ratio, a number from 0 to 1"}
	}
	return func(m *machine, data any) any {
		actor := parts[0].run(m, data)
		switch actor.(type) {
		case string, float64:
		default:
			return nil
		}
		text := toText(actor)
		if !m.spend(len(text) / 16) {
			return nil
		}
		return ratio > 0 && ActorScore(text, name) <= ratio
	}, nil
}

// ActorScore is where an actor stands among all actors of a flag, from 0 to
// just below 1: the first 16 bits of the SHA-256 of the actor followed by the
// flag's name.
func ActorScore(actor, flag string) float64 {
	var room [128]byte
	sum := sha256.Sum256(append(append(room[:0], actor...), flag...))
	return float64(binary.BigEndian.Uint16(sum[:2])) / 65536
}
