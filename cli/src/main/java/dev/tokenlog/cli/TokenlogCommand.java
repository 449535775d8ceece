package dev.tokenlog.cli;

import dev.tokenlog.client.LocalPlatform;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/// The `tokenlog` command line. One class a command; this one puts them together.
@Command(
        name = "tokenlog",
        versionProvider = TokenlogCommand.Version.class,
        description = "Language-model inference on a Kafka log.",
        synopsisSubcommandLabel = "COMMAND",
        footer = {
            "",
            "Every command has --help; --json prints JSON and nothing else on standard output.",
            "Every option can stand in tokenlog.properties or the environment (--top-p:"
                    + " TOKENLOG_TOP_P).",
            "Exit status: 0 done, 1 the answer is no, 2 wrong usage, 3 the environment lacks"
                    + " something,",
            "130 interrupted."
        },
        subcommands = {
            DemoCommand.class,
            UpCommand.class,
            TestCommand.class,
            ConvertCommand.class,
            ModelsCommand.class,
            GenerateCommand.class,
            ChatCommand.class,
            AttachCommand.class,
            CancelCommand.class,
            ValidateCommand.class,
            AuditCommand.class,
            ReplayCommand.class,
            WorkersCommand.class,
            UsageCommand.class,
            DeadLettersCommand.class,
            TopicsCommand.class,
            DoctorCommand.class,
            BenchCommand.class,
            ChaosCommand.class,
            CodesCommand.class,
            ArtifactsCommand.class,
            QuantizeCommand.class,
            CompareCommand.class,
            ExportCommand.class,
            InspectCommand.class,
            LogitsCommand.class,
            TokenizeCommand.class,
            RenderCommand.class,
            CompletionCommand.class
        })
public final class TokenlogCommand implements Runnable {

    private final Terminal terminal;
    private final Map<String, String> environment;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Show the version.")
    private boolean version;

    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    TokenlogCommand(Terminal terminal, Map<String, String> environment) {
        this.terminal = terminal;
        this.environment = environment;
    }

    public static void main(String[] arguments) {
        // What it prints is English and read by scripts: 0.15, on a German machine too.
        Locale.setDefault(Locale.ROOT);
        Map<String, String> environment = System.getenv();
        Terminal terminal = Terminal.ofProcess(environment);
        System.exit(run(terminal, environment, arguments));
    }

    private static int run(
            Terminal terminal, Map<String, String> environment, String... arguments) {
        try {
            return commandLine(terminal, environment).execute(arguments);
        } catch (OutOfMemoryError e) {
            CommandFailure failure = Failures.outOfMemory(e);
            terminal.err("tokenlog: " + failure.getMessage());
            return failure.status();
        }
    }

    static CommandLine commandLine(Terminal terminal, Map<String, String> environment) {
        CommandLine line = new CommandLine(new TokenlogCommand(terminal, environment));
        line.setOut(new PrintWriter(terminal.out(), true));
        line.setErr(new PrintWriter(terminal.errStream(), true));
        line.setColorScheme(CommandLine.Help.defaultColorScheme(terminal.ansi()));
        line.setCaseInsensitiveEnumValuesAllowed(true);
        line.setUsageHelpAutoWidth(false);
        line.setUsageHelpWidth(100);
        line.setExecutionExceptionHandler(new Failures(terminal));
        line.setParameterExceptionHandler((problem, _) -> usage(terminal, problem));
        Path home = LocalPlatform.home(environment, Path.of(System.getProperty("user.home")));
        line.setDefaultValueProvider(
                new ConfiguredDefaults(
                        environment,
                        List.of(
                                Path.of("tokenlog.properties").toAbsolutePath(),
                                home.resolve("tokenlog.properties"))));
        return line;
    }

    /// One line on what is wrong, one on where to read more.
    private static int usage(Terminal terminal, ParameterException problem) {
        String name = problem.getCommandLine().getCommandSpec().qualifiedName();
        terminal.err("tokenlog: " + Terminal.oneLine(problem.getMessage()));
        if (problem instanceof UnmatchedArgumentException unmatched) {
            List<String> alike = unmatched.getSuggestions();
            if (!alike.isEmpty() && alike.size() <= 3) {
                terminal.err("tokenlog: did you mean " + String.join(" or ", alike) + "?");
            }
        }
        terminal.err("tokenlog: see " + name + " --help");
        return ExitStatus.USAGE;
    }

    Terminal terminal() {
        return terminal;
    }

    Map<String, String> environment() {
        return environment;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "a command is missing");
    }

    /// From the jar's manifest, so that there is one place for it.
    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = TokenlogCommand.class.getPackage().getImplementationVersion();
            return new String[] {
                "tokenlog " + (version == null ? "(not packaged)" : version),
                "JDK " + Runtime.version()
            };
        }
    }
}
