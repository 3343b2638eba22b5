----------------------------- MODULE signing_rule -----------------------------
(* When a replica may cosign a checkpoint, so that one origin never shows two histories.                                   *)
(*                                                                                                                         *)
(* Consensus is assumed (a ledger's committed records only grow and no replica holds others in their place) until a        *)
(* recovery drops some. A tree is the sequence of its records: hashes without collisions. A ledger is one consensus group  *)
(* from its opening by a recovery on; the origin in its signatures names it, or should.                                    *)
(*                                                                                                                         *)
(* The rule, and for each part the switch that breaks it:                                                                  *)
(*   only a committed and applied tree is signed ....................................... sign_uncommitted                  *)
(*   the signature's tree is durable before the signature leaves ....................... release_first                     *)
(*   the tree signed last is under the one signed next: comparing sizes is too little .. compare_sizes_only                *)
(*   recovery stays in its generation only if it has read the signed tree of every voter                                   *)
(*   and keeps them all ................................................................ same_generation                   *)
(*   a generation's name is not taken twice, by two recoveries that do not know of each                                    *)
(*   other ............................................................................. counted_generations               *)
(* loss_unnoticed is no break of the rule: records vanish from all logs and nobody knows. Then replicas may contradict     *)
(* each other, but no replica itself, and so no quorum of cosignatures another one.                                        *)
EXTENDS logs

CONSTANTS
  replicas, values, size_max,
  ledgers_max,  \* how many ledgers there may be: the first and those that recoveries open
  none,
  sign_uncommitted, release_first, compare_sizes_only, same_generation, counted_generations, loss_unnoticed

VARIABLES
  voters,     \* of each ledger: who may sign and commit; {} as long as it is not open
  origin,     \* of each ledger: the generation in its signatures
  committed,  \* of each ledger: what its quorum agreed on
  ledger,     \* of each replica: the one it serves; durable
  log,        \* of each replica: durable; at most one record behind what is committed
  signed,     \* of each replica: the tree it signed last in this ledger; durable
  signing,    \* of each replica: the tree between the two steps of signing; gone in a crash
  released    \* all cosignatures that the world may hold

vars == <<voters, origin, committed, ledger, log, signed, signing, released>>
ledgers == 1..ledgers_max
symmetry == Permutations(replicas) \cup Permutations(values)

init ==
  /\ voters = [l \in ledgers |-> IF l = 1 THEN replicas ELSE {}]
  /\ origin = [l \in ledgers |-> 1]
  /\ committed = [l \in ledgers |-> << >>]
  /\ ledger = [n \in replicas |-> 1]
  /\ log = [n \in replicas |-> << >>]
  /\ signed = [n \in replicas |-> << >>]
  /\ signing = [n \in replicas |-> none]
  /\ released = {}

-------------------------------------------------------------------------------
(* Consensus, abstractly. The record behind the committed ones may be another on every replica, and may be replaced. *)

agreed(n) == committed[ledger[n]]

next_logs(n) ==
  IF is_prefix(log[n], agreed(n))
  THEN IF Len(log[n]) < Len(agreed(n)) THEN {upto(agreed(n), Len(log[n]) + 1)}
       ELSE {Append(log[n], v) : v \in values}
  ELSE IF Len(log[n]) <= Len(agreed(n)) THEN {upto(agreed(n), Len(log[n]))}
       ELSE {Append(agreed(n), v) : v \in values}

write(n) ==
  /\ \E next \in next_logs(n) : Len(next) <= size_max /\ log' = [log EXCEPT ![n] = next]
  /\ UNCHANGED <<voters, origin, committed, ledger, signed, signing, released>>

commit(l) ==
  /\ \E v \in values :
       LET tree == Append(committed[l], v) IN
       /\ is_majority({n \in replicas : ledger[n] = l /\ log[n] = tree}, voters[l])
       /\ committed' = [committed EXCEPT ![l] = tree]
  /\ UNCHANGED <<voters, origin, ledger, log, signed, signing, released>>

-------------------------------------------------------------------------------
(* Signing. The state machine may be anywhere up to the commit index: after a restart it applies from an old checkpoint. *)

may_sign(n, tree) ==
  IF compare_sizes_only
  THEN Len(tree) > Len(signed[n]) \/ tree = signed[n]
  ELSE is_prefix(signed[n], tree)

signable(n) ==
  {tree \in prefixes(log[n]) :
     tree # << >> /\ may_sign(n, tree) /\ (sign_uncommitted \/ is_prefix(tree, agreed(n)))}

cosignature(n, tree) == [origin |-> origin[ledger[n]], ledger |-> ledger[n], by |-> n, tree |-> tree]

(* The order of the rule: keep, then release. After a crash between the two the replica may sign the same tree again. *)
keep_signed(n) ==
  /\ ~release_first /\ signing[n] = none
  /\ \E tree \in signable(n) :
       /\ signed' = [signed EXCEPT ![n] = tree]
       /\ signing' = [signing EXCEPT ![n] = tree]
  /\ UNCHANGED <<voters, origin, committed, ledger, log, released>>

release(n) ==
  /\ ~release_first /\ signing[n] # none
  /\ released' = released \cup {cosignature(n, signing[n])}
  /\ signing' = [signing EXCEPT ![n] = none]
  /\ UNCHANGED <<voters, origin, committed, ledger, log, signed>>

release_early(n) ==
  /\ release_first /\ signing[n] = none
  /\ \E tree \in signable(n) :
       /\ released' = released \cup {cosignature(n, tree)}
       /\ signing' = [signing EXCEPT ![n] = tree]
  /\ UNCHANGED <<voters, origin, committed, ledger, log, signed>>

keep_late(n) ==
  /\ release_first /\ signing[n] # none
  /\ signed' = [signed EXCEPT ![n] = signing[n]]
  /\ signing' = [signing EXCEPT ![n] = none]
  /\ UNCHANGED <<voters, origin, committed, ledger, log, released>>

crash(n) ==
  /\ signing[n] # none
  /\ signing' = [signing EXCEPT ![n] = none]
  /\ UNCHANGED <<voters, origin, committed, ledger, log, signed, released>>

-------------------------------------------------------------------------------
(* Recovery by people: those of `reached` answer, the others may be lost or just cut off, and then go on as before. What is *)
(* kept is any part of any log that was reached: how much the disks lost is left to chance.                                 *)

kept_trees(reached) == UNION {prefixes(log[n]) : n \in reached}

(* Nothing that was signed is dropped, and that is known, not hoped: every voter's signed tree was read. *)
drops_nothing_signed(l, reached, kept) ==
  /\ reached = voters[l]
  /\ \A n \in reached : is_prefix(signed[n], kept)

go_on(l, reached, kept) ==
  /\ voters' = [voters EXCEPT ![l] = reached]
  /\ committed' = [committed EXCEPT ![l] = kept]
  /\ log' = [n \in replicas |-> IF n \in reached THEN kept ELSE log[n]]
  /\ signing' = [n \in replicas |-> IF n \in reached THEN none ELSE signing[n]]
  /\ UNCHANGED <<origin, ledger, signed, released>>

recover_in_place(l) ==
  \E reached \in SUBSET voters[l] \ {{}} : \E kept \in kept_trees(reached) :
    /\ \A n \in reached : ledger[n] = l
    /\ \/ drops_nothing_signed(l, reached, kept)
       \/ same_generation
       \/ loss_unnoticed /\ reached = voters[l]
    /\ go_on(l, reached, kept)

(* Record 0 of the new ledger and what it names are left out: its records start from nothing. *)
recover_anew(l) ==
  \E reached \in SUBSET voters[l] \ {{}} : \E new \in ledgers :
    /\ \A n \in reached : ledger[n] = l
    /\ voters[new] = {} /\ \A other \in ledgers : other < new => voters[other] # {}
    /\ voters' = [voters EXCEPT ![new] = reached]
    /\ origin' = [origin EXCEPT ![new] = IF counted_generations THEN origin[l] + 1 ELSE new]
    /\ ledger' = [n \in replicas |-> IF n \in reached THEN new ELSE ledger[n]]
    /\ log' = [n \in replicas |-> IF n \in reached THEN << >> ELSE log[n]]
    /\ signed' = [n \in replicas |-> IF n \in reached THEN << >> ELSE signed[n]]
    /\ signing' = [n \in replicas |-> IF n \in reached THEN none ELSE signing[n]]
    /\ UNCHANGED <<committed, released>>

next ==
  \/ \E n \in replicas :
       write(n) \/ keep_signed(n) \/ release(n) \/ release_early(n) \/ keep_late(n) \/ crash(n)
  \/ \E l \in ledgers : commit(l) \/ recover_in_place(l) \/ recover_anew(l)

spec == init /\ [][next]_vars

-------------------------------------------------------------------------------
(* What holds. *)

no_fork == \A a, b \in released : a.origin = b.origin => agree(a.tree, b.tree)

signers(l, tree) == {c.by : c \in {c \in released : c.ledger = l /\ c.tree = tree}}
has_quorum(c) == is_majority(signers(c.ledger, c.tree), voters[c.ledger])

quorum_signed_is_committed == \A c \in released : has_quorum(c) => is_prefix(c.tree, committed[c.ledger])

(* These two also hold when records vanish unnoticed. *)
no_replica_forks == \A a, b \in released : a.by = b.by /\ a.origin = b.origin => agree(a.tree, b.tree)

quorums_agree == \A a, b \in released : a.origin = b.origin /\ has_quorum(a) /\ has_quorum(b) => agree(a.tree, b.tree)
===============================================================================
