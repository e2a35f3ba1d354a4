package contract

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestEncodeReportFits(t *testing.T) {
	t.Parallel()
	report := Report{Command: CommandPreflight, Version: "v1"}
	for range 100 {
		report.Problems = append(report.Problems, Problem{Check: CheckFlags, Message: strings.Repeat("x", 100)})
	}
	raw := EncodeReport(report, TerminationLogLimit)
	if len(raw) > TerminationLogLimit {
		t.Errorf("the report has %d bytes, want at most %d", len(raw), TerminationLogLimit)
	}
	var read Report
	if err := json.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Problems)+read.Truncated != 100 || read.Truncated == 0 {
		t.Errorf("%d problems and %d truncated, want 100 in all and some truncated", len(read.Problems), read.Truncated)
	}
	if len(report.Problems) != 100 {
		t.Errorf("the caller's report was changed: %d problems left", len(report.Problems))
	}
}
