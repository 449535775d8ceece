package dev.tokenlog.artifactstore.hub;

import java.util.regex.Pattern;

/// A file of a repository at one commit, as the hub states it.
///
/// @param path inside the repository
/// @param bytes its size
/// @param digest SHA-256 of large files (64 hex digits), git's blob id of the others (40)
record HubFile(String path, long bytes, String digest) {

    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern GIT_BLOB = Pattern.compile("[0-9a-f]{40}");

    /// Whether the digest is a SHA-256 of the content; else it is git's.
    boolean hasSha256() {
        return isSha256(digest);
    }

    static boolean isSha256(String digest) {
        return SHA256.matcher(digest).matches();
    }

    static boolean isGitBlob(String digest) {
        return GIT_BLOB.matcher(digest).matches();
    }

    /// Whether a path stays inside its folder, on every operating system.
    static boolean isInside(String path) {
        if (path.isEmpty() || path.length() > 1024 || path.startsWith("/")) {
            return false;
        }
        for (int i = 0; i < path.length(); i++) {
            char c = path.charAt(i);
            if (c < ' ' || c == 0x7f || c == '\\' || c == ':') {
                return false;
            }
        }
        for (String part : path.split("/", -1)) {
            if (part.isEmpty() || part.equals(".") || part.equals("..")) {
                return false;
            }
        }
        return true;
    }
}
