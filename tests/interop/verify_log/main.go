// Command verify_log checks an exported Meridian log with Go's transparency log packages
// (golang.org/x/mod/sumdb/note and tlog), which share no code with Meridian.
//
//	verify_log [-flips N] DIR...
//
// DIR holds log.vkey, policy, checkpoint, tile/ and receipts/ (docs/formats/proof.md). Checked are
// every signature of the checkpoint, the root recomputed from the entry bundles, every hash tile,
// that no file is missing or too many, inclusion proofs computed from the tiles, and the receipts.
// With -flips N, N sampled single-bit changes per directory must all be refused.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

var errMalformed = errors.New("malformed")

// A logDir is an exported log in memory: path relative to the directory, bytes.
type logDir map[string][]byte

func load(dir string) (logDir, error) {
	files := logDir{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	})
	return files, err
}

// published turns x/mod's tile/8/L/N and tile/8/data/N into C2SP's tile/L/N and tile/entries/N.
func published(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if rest := strings.TrimPrefix(path, "data/"); rest != path {
		path = "entries/" + rest
	}
	return "tile/" + path
}

// verify checks everything and returns the number of inclusion proofs.
func verify(files logDir) (int, error) {
	verifiers, err := trusted(files)
	if err != nil {
		return 0, err
	}
	tree, err := openCheckpoint(files["checkpoint"], verifiers)
	if err != nil {
		return 0, fmt.Errorf("checkpoint: %w", err)
	}
	entries, err := readEntries(files, tree.N)
	if err != nil {
		return 0, err
	}
	if err := checkTiles(files, tree, entries); err != nil {
		return 0, err
	}
	proofs, err := checkInclusion(files, tree, entries)
	if err != nil {
		return 0, err
	}
	receipts := 0
	for name, data := range files {
		if !strings.HasPrefix(name, "receipts/") {
			continue
		}
		if err := checkReceipt(data, verifiers); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		receipts++
	}
	return proofs + receipts, nil
}

func readEntries(files logDir, size int64) ([][]byte, error) {
	var entries [][]byte
	for first := int64(0); first < size; first += 1 << tileHeight {
		width := size - first
		if width > 1<<tileHeight {
			width = 1 << tileHeight
		}
		name := published(tlog.Tile{H: tileHeight, L: -1, N: first >> tileHeight, W: int(width)})
		bundle, there := files[name]
		if !there {
			return nil, fmt.Errorf("%s is missing", name)
		}
		for i := int64(0); i < width; i++ {
			if len(bundle) < 2 || len(bundle)-2 < int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("%s ends inside entry %d", name, i)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			entries, bundle = append(entries, bundle[2:end]), bundle[end:]
		}
		if len(bundle) != 0 {
			return nil, fmt.Errorf("%s: %d bytes behind its entries", name, len(bundle))
		}
	}
	return entries, nil
}

// checkTiles recomputes the whole tree from the entries and compares root and tiles.
func checkTiles(files logDir, tree tlog.Tree, entries [][]byte) error {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for i, entry := range entries {
		hashes, err := tlog.StoredHashes(int64(i), entry, reader)
		if err != nil {
			return err
		}
		stored = append(stored, hashes...)
	}
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return fmt.Errorf("the entries give the root %v, the checkpoint has %v", root, tree.Hash)
	}
	expected := map[string]bool{}
	tiles := tlog.NewTiles(tileHeight, 0, tree.N)
	for i, tile := range tiles {
		// Of a partial tile NewTiles lists every width up to the one of this size.
		if next := i + 1; next < len(tiles) && tiles[next].L == tile.L && tiles[next].N == tile.N {
			continue
		}
		name := published(tile)
		data, err := tlog.ReadTileData(tile, reader)
		if err != nil {
			return err
		}
		if !bytes.Equal(files[name], data) {
			return fmt.Errorf("%s is missing or differs from the entries", name)
		}
		expected[name] = true
		if tile.L == 0 {
			expected[strings.Replace(name, "tile/0/", "tile/entries/", 1)] = true
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "tile/") && !expected[name] {
			return fmt.Errorf("%s does not belong to a log of %d", name, tree.N)
		}
	}
	return nil
}

// tileFiles lets tlog read the published tiles; it authenticates what it reads.
type tileFiles struct{ files logDir }

func (t tileFiles) Height() int                     { return tileHeight }
func (t tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t tileFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range tiles {
		bytes, there := t.files[published(tile)]
		if !there {
			// A wider version of the same tile is as good.
			full := tile
			full.W = 1 << tileHeight
			if bytes, there = t.files[published(full)]; !there {
				return nil, fmt.Errorf("%s is missing", published(tile))
			}
			bytes = bytes[:tile.W*tlog.HashSize]
		}
		data = append(data, bytes)
	}
	return data, nil
}

// checkInclusion proves records from the tiles: all of small logs, those at edges of large ones.
func checkInclusion(files logDir, tree tlog.Tree, entries [][]byte) (int, error) {
	reader := tlog.TileHashReader(tree, tileFiles{files})
	proofs := 0
	for index := int64(0); index < tree.N; index++ {
		edge := (index+1)%256 <= 2 || index >= tree.N-3 || index%997 == 0
		if tree.N > 600 && !edge {
			continue
		}
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		if err != nil {
			return 0, fmt.Errorf("record %d: %w", index, err)
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[index])); err != nil {
			return 0, fmt.Errorf("record %d: %w", index, err)
		}
		proofs++
	}
	return proofs, nil
}

// flips changes one bit at n places spread over all files but the trust anchors; returns how many
// changes were tried, and an error for the first that was accepted.
func flips(files logDir, n int) (int, error) {
	var names []string
	total := 0
	for name, data := range files {
		if name == "checkpoint" || strings.HasPrefix(name, "tile/") || strings.HasPrefix(name, "receipts/") {
			names = append(names, name)
			total += len(data)
		}
	}
	sort.Strings(names)
	if n == 0 {
		return 0, nil
	}
	try := func(name string, at int) error {
		good := files[name]
		changed := append([]byte(nil), good...)
		changed[at] ^= 1 << (at % 8)
		files[name] = changed
		_, err := verify(files)
		files[name] = good
		if err == nil {
			return fmt.Errorf("%s: accepted with bit %d of byte %d flipped", name, at%8, at)
		}
		return nil
	}
	tried, position := 0, 0
	for _, name := range names {
		// Steps through all files as one; at least the checkpoint is tried in every tenth byte.
		step := total/n + 1
		if name == "checkpoint" && step > 10 {
			step = 10
		}
		at := position % step
		for ; at < len(files[name]); at += step {
			if err := try(name, at); err != nil {
				return tried, err
			}
			tried++
		}
		position = at - len(files[name])
	}
	return tried, nil
}

func run(dir string, flipCount int) error {
	files, err := load(dir)
	if err != nil {
		return err
	}
	proofs, err := verify(files)
	if err != nil {
		return err
	}
	tried, err := flips(files, flipCount)
	if err != nil {
		return err
	}
	fmt.Printf("%s: good; %d proofs checked, %d of %d flipped bits refused\n", dir, proofs, tried, tried)
	return nil
}

func main() {
	flipCount := flag.Int("flips", 0, "how many single-bit changes to try")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: verify_log [-flips N] DIR...")
		os.Exit(2)
	}
	failed := false
	for _, dir := range flag.Args() {
		if err := run(dir, *flipCount); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", dir, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}
