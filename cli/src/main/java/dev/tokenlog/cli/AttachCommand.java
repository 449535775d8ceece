package dev.tokenlog.cli;

import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.TokenlogClient;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "attach",
        description = "Follows, or reads again, any generation from its first token.")
final class AttachCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(paramLabel = "GENERATION", description = "A generation's id.")
    private String id;

    @Override
    public Integer call() {
        GenerationPrinter printer = new GenerationPrinter(common.terminal(), output.json);
        try (TokenlogClient client = connection.connect();
                GenerationStream stream = client.attach(id)) {
            return printer.conclude(printer.print(stream, connection.timeout()));
        }
    }
}
