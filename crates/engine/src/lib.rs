//! Sessions over a commit, types, lineage and fingerprints from logical plans, point-in-time join
