package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A cosigner verifies lines of type 0x04 (C2SP tlog-cosignature), which x/mod does not know.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	return ed25519.Verify(c.key, []byte(message), signature[8:])
}

func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errMalformed
	}
	key, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errMalformed
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	hash := binary.BigEndian.Uint32(digest[:])
	if fmt.Sprintf("%08x", hash) != parts[1] {
		return nil, errMalformed
	}
	return &cosigner{parts[0], hash, key[1:]}, nil
}

// trusted gives the log's key and, from the policy, all witnesses: every one of them must sign.
func trusted(files logDir) ([]note.Verifier, error) {
	log, err := note.NewVerifier(strings.TrimSuffix(string(files["log.vkey"]), "\n"))
	if err != nil {
		return nil, fmt.Errorf("log.vkey: %w", err)
	}
	verifiers := []note.Verifier{log}
	for _, line := range strings.Split(string(files["policy"]), "\n") {
		items := strings.Fields(line)
		if len(items) < 3 || items[0] != "witness" {
			continue
		}
		witness, err := newCosigner(items[2])
		if err != nil {
			return nil, fmt.Errorf("policy: witness %s: %w", items[1], err)
		}
		verifiers = append(verifiers, witness)
	}
	return verifiers, nil
}

// openCheckpoint requires a line of every verifier and no other, in canonical base64.
func openCheckpoint(data []byte, verifiers []note.Verifier) (tlog.Tree, error) {
	var tree tlog.Tree
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	if err != nil {
		return tree, err
	}
	if len(opened.Sigs) != len(verifiers) || len(opened.UnverifiedSigs) != 0 {
		return tree, fmt.Errorf("%d known and %d unknown signatures instead of %d", len(opened.Sigs),
			len(opened.UnverifiedSigs), len(verifiers))
	}
	again := opened.Text + "\n"
	for _, signature := range opened.Sigs {
		bytes, err := base64.StdEncoding.Strict().DecodeString(signature.Base64)
		if err != nil {
			return tree, err
		}
		again += "— " + signature.Name + " " + base64.StdEncoding.EncodeToString(bytes) + "\n"
	}
	if again != string(data) {
		return tree, errMalformed
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifiers[0].Name() || lines[3] != "" {
		return tree, errMalformed
	}
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(tree.N, 10) != lines[1] {
		return tree, errMalformed
	}
	tree.Hash, err = parseHash(lines[2])
	return tree, err
}

func parseHash(text string) (tlog.Hash, error) {
	var hash tlog.Hash
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(data) != tlog.HashSize || len(text) != 44 {
		return hash, errMalformed
	}
	copy(hash[:], data)
	return hash, nil
}

// checkReceipt checks a tlog-proof whose extra line is the entry.
func checkReceipt(data []byte, verifiers []note.Verifier) error {
	head, checkpoint, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errMalformed
	}
	extra := strings.TrimPrefix(lines[1], "extra ")
	index := strings.TrimPrefix(lines[2], "index ")
	if extra == lines[1] || index == lines[2] || strings.ContainsAny(extra, "\r\n") {
		return errMalformed
	}
	entry, err := base64.StdEncoding.Strict().DecodeString(extra)
	if err != nil {
		return err
	}
	at, err := strconv.ParseInt(index, 10, 64)
	if err != nil || strconv.FormatInt(at, 10) != index {
		return errMalformed
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := parseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint(checkpoint, verifiers)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, at, tlog.RecordHash(entry))
}
