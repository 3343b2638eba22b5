--------------------------------- MODULE logs ---------------------------------
(* What the specifications share: sequences as logs and trees, majorities, and Raft's order of logs.                      *)
(*                                                                                                                         *)
(* An entry of a Raft log is its term alone. A term has one leader and a leader never changes an index, so (index, term)  *)
(* names an entry and its content adds nothing but states.                                                                 *)
EXTENDS Naturals, Sequences, FiniteSets, TLC

max(numbers) == CHOOSE x \in numbers : \A y \in numbers : y <= x
min(a, b) == IF a < b THEN a ELSE b
upto(log, size) == SubSeq(log, 1, size)

is_prefix(short, long) == Len(short) <= Len(long) /\ short = upto(long, Len(short))
prefixes(log) == {upto(log, size) : size \in 0..Len(log)}
(* Two trees, or two committed logs, that one history can have had. *)
agree(a, b) == is_prefix(a, b) \/ is_prefix(b, a)

is_majority(some, all) == 2 * Cardinality(some \cap all) > Cardinality(all)

last_term(log) == IF log = << >> THEN 0 ELSE log[Len(log)]
(* Raft paper 5.4.1: the log that a candidate needs to get the vote of a replica that holds `mine`. *)
at_least_as_good(theirs, mine) ==
  \/ last_term(theirs) > last_term(mine)
  \/ last_term(theirs) = last_term(mine) /\ Len(theirs) >= Len(mine)
===============================================================================
