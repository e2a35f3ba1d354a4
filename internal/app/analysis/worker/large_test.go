package worker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rsolv-dev/rsolv-operator/internal/app/analysis/judge"
)

// largeFiles are pieces of code, a %d in them for a number, with one finding
// that is real and one that is a false alarm: their lines in the piece.
var largeFiles = []struct {
	path, head, piece, foot string
	real, harmless          int
}{
	{
		path: "src/large.js", real: 3, harmless: 4,
		piece: "app.get('/a%[1]d', async (req, res) => {\n  const name%[1]d = req.query.name\n  await db.query(\"SELECT id FROM a WHERE name = '\" + name%[1]d + \"'\")\n  await db.query('SELECT id FROM a WHERE name = ?', [name%[1]d])\n  log.info('asked', { n: %[1]d })\n  return next()\n})\n",
	},
	{
		path: "src/large.ts", real: 3, harmless: 4,
		piece: "router.get('/a%[1]d', async (req: Request, res: Response): Promise<void> => {\n  const name%[1]d: string = req.query.name as string\n  await db.query(`SELECT id FROM a WHERE name = '${name%[1]d}'`)\n  await db.query('SELECT id FROM a WHERE name = $1', [name%[1]d])\n})\n",
	},
	{
		path: "src/large.py", real: 4, harmless: 5,
		piece: "@app.route('/a%[1]d')\ndef a%[1]d():\n    name = request.args.get('name')\n    cursor.execute(\"SELECT id FROM a WHERE name = '\" + name + \"'\")\n    cursor.execute('SELECT id FROM a WHERE name = %%s', (name,))\n    return ''\n\n",
	},
	{
		path: "src/large.rb", head: "class Large\n", foot: "end\n", real: 3, harmless: 4,
		piece: "  def a%[1]d\n    name = params[:name]\n    User.where(\"name = '#{name}'\").first\n    User.where('name = ?', name).first\n  end\n\n",
	},
	{
		path: "src/large.php", head: "<?php\n", real: 3, harmless: 4,
		piece: "function a%[1]d($pdo) {\n    $name = $_GET['name'];\n    $pdo->query(\"SELECT id FROM a WHERE name = '\" . $name . \"'\");\n    $s = $pdo->prepare('SELECT id FROM a WHERE name = ?');\n    $s->execute([$name]);\n}\n",
	},
	{
		path: "src/Large.java", head: "class Large {\n", foot: "}\n", real: 3, harmless: 4,
		piece: "    void a%[1]d(HttpServletRequest request, Statement st, Connection c) throws Exception {\n        String name = request.getParameter(\"name\");\n        st.executeQuery(\"SELECT id FROM a WHERE name = '\" + name + \"'\");\n        PreparedStatement p = c.prepareStatement(\"SELECT id FROM a WHERE name = ?\");\n        p.setString(1, name);\n    }\n",
	},
	{
		path: "src/large.go", head: "package large\n", real: 3, harmless: 4,
		piece: "func a%[1]d(w http.ResponseWriter, r *http.Request) {\n\tname := r.URL.Query().Get(\"name\")\n\tdb.Query(\"SELECT id FROM a WHERE name = '\" + name + \"'\")\n\tdb.Query(\"SELECT id FROM a WHERE name = $1\", name)\n}\n",
	},
}

// Files of 10,001 lines and batches of a hundred findings are judged to the last
// of them, each as if it were alone.
func TestLargeFiles(t *testing.T) {
	if raced {
		t.Skip("the race detector's own memory would be measured; make test runs this without it")
	}
	for _, l := range largeFiles {
		t.Run(l.path, func(t *testing.T) {
			const lines = 10_001
			var b strings.Builder
			b.WriteString(l.head)
			at := strings.Count(l.head, "\n")
			var starts []int
			for n := 0; at+strings.Count(l.piece, "\n")+strings.Count(l.foot, "\n") <= lines; n++ {
				starts = append(starts, at)
				fmt.Fprintf(&b, l.piece, n)
				at += strings.Count(l.piece, "\n")
			}
			b.WriteString(strings.Repeat("\n", lines-at-strings.Count(l.foot, "\n")) + l.foot)
			content := b.String()
			if n := strings.Count(content, "\n"); n != lines {
				t.Fatalf("%d lines", n)
			}
			source := strings.Split(content, "\n")
			job := &Job{Path: l.path, Content: content}
			for i := range 100 {
				line := starts[i/2*(len(starts)-1)/49] + l.real
				if i%2 == 1 {
					line += l.harmless - l.real
				}
				job.Findings = append(job.Findings, judge.Finding{Type: "sql_injection", File: l.path, Line: line, Code: strings.TrimSpace(source[line-1])})
			}
			p := pool(t, Command, 1, 2*time.Minute)
			result := judged(t, p, job)
			for i, v := range result.Verdicts {
				if v.Valid != (i%2 == 0) || v.Valid && v.Confidence < 0.75 {
					t.Fatalf("finding %d, line %d: %+v\n%s", i, job.Findings[i].Line, v, job.Findings[i].Code)
				}
			}
			within(t, p)
		})
	}
}

// judged has a job done. The bounds are in processor time, of which a machine
// that is torn between many counts too much: what was not judged for want of
// it is asked for again.
func judged(t *testing.T, p *Pool, job *Job) Result {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		result, err := p.Do(t.Context(), job)
		if err != nil || len(result.Verdicts) != len(job.Findings) {
			t.Fatalf("%v, %d verdicts for %d findings", err, len(result.Verdicts), len(job.Findings))
		}
		late := false
		for _, v := range result.Verdicts {
			late = late || strings.Contains(v.Reason, "too long")
		}
		if !late || time.Now().After(deadline) {
			return result
		}
	}
}
