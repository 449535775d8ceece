package dev.tokenlog.cli;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;

/// Every option can stand in the environment (`--top-p` as `TOKENLOG_TOP_P`) or in a
/// `tokenlog.properties` (as `top-p`): of the folder where one works, then of the data folder. The
/// command line comes first, then the environment.
final class ConfiguredDefaults implements IDefaultValueProvider {

    private final Map<String, String> environment;
    private final List<Path> files;
    private Properties properties;

    ConfiguredDefaults(Map<String, String> environment, List<Path> files) {
        this.environment = environment;
        this.files = files;
    }

    @Override
    public String defaultValue(ArgSpec argument) throws IOException {
        if (!(argument instanceof OptionSpec option)
                || option.usageHelp()
                || option.versionHelp()) {
            return null;
        }
        String name = option.longestName().replaceFirst("^--?", "");
        String variable = "TOKENLOG_" + name.toUpperCase(Locale.ROOT).replace('-', '_');
        String value = environment.get(variable);
        return value != null && !value.isEmpty() ? value : properties().getProperty(name);
    }

    private Properties properties() throws IOException {
        if (properties == null) {
            Properties read = new Properties();
            // The first file wins: read it last.
            for (Path file : files.reversed()) {
                if (Files.isRegularFile(file)) {
                    try (Reader reader = Files.newBufferedReader(file)) {
                        read.load(reader);
                    }
                }
            }
            properties = read;
        }
        return properties;
    }
}
