package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// commands is every command. Whoever adds one looks whether a tombstone may follow from
// it: only what delete run starts deletes anything, and the drill, on a scratch catalogue.
func commands() []string {
	return []string{
		"alarms", "app install", "as-of", "bench", "delete approve", "delete list", "delete plan", "delete rehearse", "delete run", "delete show",
		"delete status", "delete withdraw", "diff", "drill", "export", "halt", "history", "import", "keygen", "lien lift", "lien list", "lien place",
		"lookup", "policy approve", "policy change", "policy propose", "policy show", "product activate", "product deactivate", "product license",
		"product suspend", "product unsuspend", "rebuild", "restore apply", "restore certificate", "restore list", "restore plan", "restore status",
		"roster add", "roster list", "roster revoke", "serve", "tenant configure", "tenant create", "tenant deactivate", "tenant get", "tenant list",
		"tenant reactivate", "tenant relocate", "tenant rename", "verify", "version", "view", "views",
	}
}

// TestNoOtherCommand holds the commands against those that were looked at, and their
// options against what goes around rules elsewhere.
func TestNoOtherCommand(t *testing.T) {
	t.Parallel()
	var found []string
	var walk func(cmd *cobra.Command, path string)
	walk = func(cmd *cobra.Command, path string) {
		for _, child := range cmd.Commands() {
			walk(child, strings.TrimPrefix(path+" "+child.Name(), " "))
		}
		if !cmd.HasSubCommands() {
			found = append(found, path)
		}
		for _, option := range []string{"force", "yes", "no-approval", "skip-rehearsal", "debug"} {
			if cmd.Flags().Lookup(option) != nil {
				t.Errorf("%s takes --%s", path, option)
			}
		}
	}
	walk((&app{}).root(), "")
	slices.Sort(found)
	if diff := cmp.Diff(commands(), found); diff != "" {
		t.Errorf("commands that were looked at (-) and that there are (+):\n%s", diff)
	}
}

// TestWhoMakesTombstones finds no program text that makes one but the executor's waves,
// and what plays on catalogues that are thrown away.
func TestWhoMakesTombstones(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	makers := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if literal, ok := n.(*ast.CompositeLit); ok && len(literal.Elts) > 0 {
				if made, ok := literal.Type.(*ast.SelectorExpr); ok && (made.Sel.Name == "TenantDeleted" || made.Sel.Name == "AppUninstalled") {
					makers[filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, root+string(filepath.Separator))))] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, allowed := range []string{"catalogue/deletion", "catalogue/catalogtest", "replay/replaytest"} {
		delete(makers, allowed)
	}
	if len(makers) > 0 {
		t.Errorf("tombstones are made in %v, too", makers)
	}
}
