package dev.tokenlog.nativekernels;

/// The library of this process, loaded when somebody first asks.
final class LoadedLibrary {

    static final NativeLibrary.Result RESULT = LibraryFile.load();

    /// Null where there is none. A constant, so that the compiler turns calls into plain ones that
    /// allocate nothing.
    static final NativeLibrary LIBRARY =
            RESULT instanceof NativeLibrary.Loaded loaded ? loaded.library() : null;

    private LoadedLibrary() {}
}
