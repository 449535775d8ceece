/// Programs that show what can be built on the log, each a main class of few lines.
package dev.tokenlog.client.example;
