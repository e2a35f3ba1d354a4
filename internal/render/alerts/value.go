package alerts

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rsolv-dev/rsolv-operator/api/v1alpha1"
)

// Unit is what a signal is measured in.
type Unit int

// Units of the recorded values. A ratio is a share of one, never of a hundred.
const (
	Plain Unit = iota
	Ratio
	Milliseconds
	PerSecond
)

// unitRules says how people write a bound of each unit.
var unitRules = [...]struct {
	problem, fix string
	suffixes     []suffix
}{
	Plain:        {"is no bare number", "an expression is bounded by a bare number: write 1 or 0.5", []suffix{{"", 0}}},
	Ratio:        {"is no percentage", "a ratio is bounded by a percentage from 0% to 100%: write 5% for five in a hundred", []suffix{{"%", -2}}},
	Milliseconds: {"is no duration", "a latency is bounded by a duration: write 500ms or 2s", []suffix{{"ms", 0}, {"s", 3}}},
	PerSecond:    {"is no rate", "a request rate is bounded by a number per second: write 0.01/s", []suffix{{"/s", 0}}},
}

// suffix is a unit as written, and the power of ten that leads to the
// recorded unit.
type suffix struct {
	text     string
	exponent int
}

// parse reads a bound in the recorded unit. The shift by powers of ten happens
// in the text, so that 0.29% is exactly 0.0029.
func (u Unit) parse(value v1alpha1.Value) (number float64, ok bool) {
	text := string(value)
	for _, s := range unitRules[u].suffixes {
		digits, found := strings.CutSuffix(text, s.text)
		if !found || !isDecimal(digits) {
			continue
		}
		number, err := strconv.ParseFloat(digits+"e"+strconv.Itoa(s.exponent), 64)
		if err != nil || math.IsInf(number, 0) {
			return 0, false
		}
		if u != Plain && number < 0 || u == Ratio && number > 1 {
			return 0, false
		}
		return number, true
	}
	return 0, false
}

// Format writes a value in the words in which bounds are declared, with as many
// digits as people read.
func (u Unit) Format(value float64) string {
	digits := func(value float64) string {
		if rounded := math.Round(value); math.Abs(value) >= 100 && math.Abs(value) < 1e6 {
			return number(rounded)
		}
		return strconv.FormatFloat(value, 'g', 3, 64)
	}
	switch {
	case u == Ratio:
		return strconv.FormatFloat(value*100, 'f', 1, 64) + "%"
	case u == Milliseconds && value >= 1000:
		return strconv.FormatFloat(value/1000, 'f', 2, 64) + "s"
	case u == Milliseconds:
		return strconv.FormatFloat(value, 'f', 0, 64) + "ms"
	case u == PerSecond:
		return digits(value) + "/s"
	default:
		return digits(value)
	}
}

// alertScale is what a recorded value is divided by in an alert, so that its
// text can print it: templates know durations in seconds alone.
func (u Unit) alertScale() float64 {
	if u == Milliseconds {
		return 1000
	}
	return 1
}

// template prints the value of an alert.
func (u Unit) template() string {
	switch u {
	case Ratio:
		return "{{ $value | humanizePercentage }}"
	case Milliseconds:
		return "{{ $value | humanizeDuration }}"
	case PerSecond:
		return "{{ $value | humanize }}/s"
	default:
		return "{{ $value | humanize }}"
	}
}

// isDecimal accepts -?[0-9]+(\.[0-9]+)?.
func isDecimal(text string) bool {
	whole, fraction, dotted := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	return isDigits(whole) && (!dotted || isDigits(fraction))
}

func isDigits(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// ParseDuration reads a duration as Prometheus writes it, largest unit first.
func ParseDuration(text string) (time.Duration, bool) {
	units := [...]struct {
		letter byte
		length time.Duration
	}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}
	var total time.Duration
	next := 0
	for rest := text; rest != ""; {
		end := strings.IndexAny(rest, "dhms")
		if end < 1 || end > 9 || !isDigits(rest[:end]) {
			return 0, false
		}
		for next < len(units) && units[next].letter != rest[end] {
			next++
		}
		if next == len(units) {
			return 0, false
		}
		count, err := strconv.Atoi(rest[:end])
		if err != nil || time.Duration(count) > math.MaxInt64/units[next].length {
			return 0, false
		}
		total += time.Duration(count) * units[next].length
		next++
		rest = rest[end+1:]
	}
	return total, text != ""
}

// number writes a float as PromQL reads it.
func number(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }
