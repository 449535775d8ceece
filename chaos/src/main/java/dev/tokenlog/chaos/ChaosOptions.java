package dev.tokenlog.chaos;

import java.nio.file.Path;
import java.util.List;

/// @param generations at least; more are asked for if that many are over before the last kill
/// @param handOvers planned leaves of a worker that are measured, and kills, before the chaos
///   begins
/// @param streams generations in flight meanwhile
/// @param folder for everything that is written
/// @param root of the installation
/// @param judge a program that is given the dump of the token topic and ends with 0 if all is well;
///   null without
/// @param worker properties of the workers whose hand-overs are measured, `KEY=VALUE`
record ChaosOptions(
        int kills,
        long seed,
        int generations,
        int handOvers,
        int streams,
        Path folder,
        Path root,
        Path judge,
        List<String> worker) {}
