package syntax

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for file, source := range map[string]string{
		"a.js": "const a = `x${y}`;\n", "a.jsx": "const a = <b c={d}/>;\n", "a.ts": "let a: string = <string>b;\n", "a.tsx": "const a = <b/>;\n",
		"a.py": "def f(a):\n    return a\n", "a.rb": "def f(a)\n  a\nend\n", "a.php": "<?php echo $a;\n", "b.php": "echo $a;\n",
		"a.ex": "defmodule A do\n  def f(x), do: \"#{x}\" |> g()\nend\n", "a.java": "class A { int b; }\n", "a.go": "package a\n",
	} {
		tree, err := Parse(LanguageOf(file), file, []byte(source))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if tree.Errors != 0 {
			t.Errorf("%s: %d errors", file, tree.Errors)
		}
		if got := tree.Text(0); !strings.HasSuffix(source, got) || tree.Nodes[0].First == 0 {
			t.Errorf("%s: the root is %q", file, got)
		}
	}
}

func TestLinks(t *testing.T) {
	tree, err := Parse(JavaScript, "a.js", []byte("f(a, b); // c\ng()"))
	if err != nil {
		t.Fatal(err)
	}
	for i := uint32(1); i < uint32(len(tree.Nodes)); i++ {
		found := false
		for c := range tree.Children(tree.Nodes[i].Parent) {
			found = found || c == i
		}
		if !found {
			t.Errorf("node %d (%s) is no child of its parent", i, tree.Kind(i))
		}
	}
	call := tree.At(0, 7)
	if tree.Kind(call) != "call_expression" || tree.Text(tree.Child(call, "function")) != "f" {
		t.Errorf("the call is %s", tree.Kind(call))
	}
}

func TestBounds(t *testing.T) {
	if _, err := Parse(JavaScript, "a.js", make([]byte, MaxBytes+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large file: %v", err)
	}
	if _, err := Parse(JavaScript, "a.js", []byte(strings.Repeat("!", 5000)+"x")); !errors.Is(err, ErrTooDeep) {
		t.Errorf("a deep file: %v", err)
	}
	if _, err := Parse(Rust, "a.rs", nil); !errors.Is(err, ErrNoGrammar) {
		t.Errorf("Rust: %v", err)
	}
	tree, err := Parse(JavaScript, "a.js", []byte("let = = ;"))
	if err != nil || tree.Errors == 0 {
		t.Errorf("broken source: %v, %+v", err, tree)
	}
}
