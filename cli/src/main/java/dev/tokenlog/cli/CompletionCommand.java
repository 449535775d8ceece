package dev.tokenlog.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "completion",
        description = "Prints the completion for bash and zsh: source <(tokenlog completion).")
final class CompletionCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;

    @Override
    public Integer call() {
        common.terminal()
                .line(AutoComplete.bash("tokenlog", common.command().root().commandLine()));
        return ExitStatus.DONE;
    }
}
