// SPDX-License-Identifier: MIT
// Reads Terraform files: whether each is HCL, and whether what it refers to is declared in it.
package main

import (
	"fmt"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// What Terraform itself brings, of what these files use.
var builtIn = map[string]bool{"path": true, "string": true, "number": true}

// The first two words of a reference to a block.
func nameOf(block *hclsyntax.Block) string {
	switch {
	case block.Type == "variable":
		return "var." + block.Labels[0]
	case block.Type == "resource":
		return block.Labels[0] + "." + block.Labels[1]
	}
	return block.Type
}

func referenced(traversal hcl.Traversal) string {
	if len(traversal) > 1 {
		if attribute, ok := traversal[1].(hcl.TraverseAttr); ok {
			return traversal.RootName() + "." + attribute.Name
		}
	}
	return traversal.RootName()
}

func faultsOf(path string) []string {
	file, problems := hclparse.NewParser().ParseHCLFile(path)
	if problems.HasErrors() {
		return []string{problems.Error()}
	}
	body := file.Body.(*hclsyntax.Body)
	declared := map[string]bool{}
	for _, block := range body.Blocks {
		declared[nameOf(block)] = true
	}
	faults := []string{}
	used := map[string]bool{}
	hclsyntax.VisitAll(body, func(node hclsyntax.Node) hcl.Diagnostics {
		if expression, ok := node.(*hclsyntax.ScopeTraversalExpr); ok {
			name := referenced(expression.Traversal)
			used[name] = true
			if !declared[name] && !builtIn[expression.Traversal.RootName()] {
				faults = append(faults, fmt.Sprintf("%s: %s is not declared", expression.SrcRange, name))
			}
		}
		return nil
	})
	for _, block := range body.Blocks {
		if block.Type == "variable" && !used[nameOf(block)] {
			faults = append(faults, fmt.Sprintf("%s: %s is never used", path, nameOf(block)))
		}
	}
	return faults
}

func main() {
	status := 0
	for _, path := range os.Args[1:] {
		for _, fault := range faultsOf(path) {
			fmt.Println(fault)
			status = 1
		}
	}
	os.Exit(status)
}
