package dev.tokenlog.artifactstore.object;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Properties;
import org.gaul.s3proxy.BlobStores;
import org.gaul.s3proxy.S3Proxy;
import org.gaul.s3proxy.auth.AuthenticationType;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;

/// A server of somebody else's (S3Proxy) that speaks the S3 protocol over files and checks
/// signatures, in this process. Credentials reach our client as a user gives them: by system
/// properties, which the standard chain reads first.
public final class S3Server implements AutoCloseable {

    public static final String BUCKET = "models";
    public static final String ID = "a-test-identity";
    public static final String SECRET = "a-secret-that-no-message-shows";

    private final S3Proxy proxy;

    private S3Server(S3Proxy proxy) {
        this.proxy = proxy;
    }

    public static S3Server start(Path folder) throws Exception {
        Properties properties = new Properties();
        properties.setProperty(
                "jclouds.filesystem.basedir", Files.createDirectories(folder).toString());
        S3Proxy proxy =
                S3Proxy.builder()
                        .blobStore(BlobStores.create("filesystem", properties))
                        .endpoint(URI.create("http://127.0.0.1:0"))
                        .awsAuthentication(AuthenticationType.AWS_V2_OR_V4, ID, SECRET)
                        .build();
        proxy.start();
        S3Server server = new S3Server(proxy);
        try (S3Client client = server.client()) {
            client.createBucket(b -> b.bucket(BUCKET));
        }
        credentials(ID, SECRET);
        return server;
    }

    static void credentials(String id, String secret) {
        System.setProperty("aws.accessKeyId", id);
        System.setProperty("aws.secretAccessKey", secret);
    }

    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + proxy.getPort());
    }

    ObjectStoreSettings settings(String bucketAndPrefix) {
        return new ObjectStoreSettings(
                "s3://" + bucketAndPrefix, Optional.of(endpoint()), Optional.empty());
    }

    S3Client client() {
        return S3Client.builder()
                .httpClientBuilder(UrlConnectionHttpClient.builder())
                .region(Region.US_EAST_1)
                .endpointOverride(endpoint())
                .forcePathStyle(true)
                .credentialsProvider(
                        StaticCredentialsProvider.create(AwsBasicCredentials.create(ID, SECRET)))
                .build();
    }

    @Override
    public void close() throws Exception {
        System.clearProperty("aws.accessKeyId");
        System.clearProperty("aws.secretAccessKey");
        proxy.stop();
    }
}
