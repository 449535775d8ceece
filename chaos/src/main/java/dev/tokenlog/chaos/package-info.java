/// Kills, pauses and cuts off the platform's processes by a schedule that a seed makes, and judges
/// afterwards what every reader of the log sees. Start reading at [dev.tokenlog.chaos.ChaosRun];
/// what is judged stands in [dev.tokenlog.chaos.StreamJudge].
package dev.tokenlog.chaos;
