/// The models that have a short name, and what can be said of them before anything is downloaded.
package dev.tokenlog.artifactstore.known;
