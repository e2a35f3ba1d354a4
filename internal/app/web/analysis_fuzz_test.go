package web

import (
	"testing"
)

// FuzzAnalysisBodies reads requests of any bytes: they are understood, or
// refused with an error of ours.
func FuzzAnalysisBodies(f *testing.F) {
	for _, body := range []string{
		`{"vulnerabilities":[{"id":"a","type":"xss","file":"a.js","line":"3","code":"x"}],"files":{"a.js":"x","b.js":{"content":"y","hash":"z"},"c":null}}`,
		`{"file":"a.js","content":"eval(x)","vulnerabilityType":"eval-injection","line":1.5}`,
		`{"vulnerabilities":[{"type":"xss","filePath":"a","line":1e400}],"files":{"a":[]}}`,
		`{"targetFileContent":"x","testSuite":{"redTests":[{"testName":"a","testCode":"b","attackVector":"c"}]},"framework":"JEST","language":"JavaScript"}`,
		`{"targetFileContent":"x","testSuite":{"redTests":{}},"framework":"jest","language":"javascript"}`,
		"\x00", "[", `{"vulnerabilities":{}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var validate validateRequest
		if decode(body, &validate) == nil {
			in, err := validate.validation(1)
			if err == nil && (len(in.Findings) == 0 || len(in.Findings) > maxFindings) {
				t.Fatalf("%d findings are judged: %q", len(in.Findings), body)
			}
			for _, finding := range in.Findings {
				if finding.Line < 0 || err == nil && (finding.Type == "" || finding.File == "") {
					t.Fatalf("%+v: %q", finding, body)
				}
			}
		}
		var generate generateRequest
		if decodeStrictly(body, &generate) == nil {
			in, err := generate.insertion()
			if err == nil && (len(in.Tests) == 0 || len(in.Tests) > maxRedTests || in.Framework == "" || in.Language == "") {
				t.Fatalf("%+v: %q", in, body)
			}
		}
	})
}
