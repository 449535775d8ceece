package dev.tokenlog.artifactstore.object;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Supplier;
import software.amazon.awssdk.awscore.exception.AwsServiceException;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.core.exception.SdkClientException;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.regions.providers.DefaultAwsRegionProviderChain;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.S3Object;

/// A bucket of a store that speaks the S3 protocol.
final class S3Objects implements ObjectStore {

    private static final long PART = 16 << 20;
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final Duration SILENCE = Duration.ofSeconds(30);

    private final S3Client client;
    private final String bucket;
    private final String prefix;

    S3Objects(S3Client client, String bucket, String prefix) {
        this.client = client;
        this.bucket = bucket;
        this.prefix = prefix;
    }

    static S3Client connect(ObjectStoreSettings settings) {
        S3ClientBuilder builder =
                S3Client.builder()
                        .httpClientBuilder(defaults ->
                                new RetryableHttpClient(
                                        UrlConnectionHttpClient.builder()
                                                .connectionTimeout(CONNECT)
                                                .socketTimeout(SILENCE)
                                                .buildWithDefaults(defaults)))
                        .region(region(settings))
                        // Other stores do not know the newer checksums; every byte that comes back
                        // is compared with the artifact's own digests.
                        .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
                        .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED);
        settings.endpoint()
                .ifPresent(endpoint -> builder.endpointOverride(endpoint).forcePathStyle(true));
        return builder.build();
    }

    private static Region region(ObjectStoreSettings settings) {
        return settings.region()
                .map(Region::of)
                .orElseGet(() -> {
                    try {
                        return settings.endpoint().isPresent()
                                ? Region.US_EAST_1
                                : new DefaultAwsRegionProviderChain().getRegion();
                    } catch (SdkClientException nowhereSaid) {
                        return Region.US_EAST_1;
                    }
                });
    }

    @Override
    public String address(String key) {
        return "s3://" + bucket + "/" + prefix + key;
    }

    @Override
    public OptionalLong size(String key) {
        return call(
                key,
                () -> {
                    try {
                        return OptionalLong.of(
                                client.headObject(b -> b.bucket(bucket).key(prefix + key))
                                        .contentLength());
                    } catch (NoSuchKeyException e) {
                        requireBucket();
                        return OptionalLong.empty();
                    }
                });
    }

    /// An answer without a body does not say whether the object or the bucket is missing.
    private void requireBucket() {
        client.headBucket(b -> b.bucket(bucket));
    }

    @Override
    public InputStream read(String key, long from, long length) {
        String range = "bytes=%d-%d".formatted(from, from + length - 1);
        InputStream stream =
                call(
                        key,
                        () ->
                                client.getObject(
                                        b -> b.bucket(bucket).key(prefix + key).range(range)));
        return new BoundedStream(stream, length);
    }

    @Override
    public void write(String key, Path file) {
        try {
            long size = Files.size(file);
            if (size <= PART) {
                // Read before the request: an error in it is then the connection's.
                RequestBody body = RequestBody.fromBytes(Files.readAllBytes(file));
                call(key, () -> client.putObject(b -> b.bucket(bucket).key(prefix + key), body));
            } else {
                call(key, () -> writeParts(key, file, size));
            }
        } catch (IOException | UncheckedIOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, file + ": cannot be read: " + e.getMessage(), e);
        } catch (EngineException e) {
            throw e.reason() == Reason.SOURCE_UNAVAILABLE
                    ? new EngineException(Reason.STORAGE_FAILED, e.getMessage(), e)
                    : e;
        }
    }

    /// An upload that fails is taken back: nobody pays for parts that are in no object.
    private Void writeParts(String key, Path file, long size) {
        long partBytes = Math.max(PART, size / 9000 + 1); // at most 10,000 parts
        String upload =
                client.createMultipartUpload(b -> b.bucket(bucket).key(prefix + key)).uploadId();
        boolean complete = false;
        try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
            List<CompletedPart> parts = new ArrayList<>();
            byte[] buffer = new byte[(int) Math.min(partBytes, size)];
            for (long at = 0; at < size; at += partBytes) {
                int length = (int) Math.min(partBytes, size - at);
                in.readFully(buffer, 0, length);
                byte[] bytes =
                        length == buffer.length ? buffer : java.util.Arrays.copyOf(buffer, length);
                int number = parts.size() + 1;
                String tag =
                        client.uploadPart(
                                        b ->
                                                b.bucket(bucket)
                                                        .key(prefix + key)
                                                        .uploadId(upload)
                                                        .partNumber(number),
                                        RequestBody.fromBytes(bytes))
                                .eTag();
                parts.add(CompletedPart.builder().partNumber(number).eTag(tag).build());
            }
            client.completeMultipartUpload(b ->
                    b.bucket(bucket)
                            .key(prefix + key)
                            .uploadId(upload)
                            .multipartUpload(m -> m.parts(parts)));
            complete = true;
            return null;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            if (!complete) {
                abort(key, upload);
            }
        }
    }

    private void abort(String key, String upload) {
        try {
            client.abortMultipartUpload(b -> b.bucket(bucket).key(prefix + key).uploadId(upload));
        } catch (SdkException e) {
            // What made it fail is on its way; the bucket's own rules take such parts away.
        }
    }

    @Override
    public void delete(String key) {
        call(key, () -> client.deleteObject(b -> b.bucket(bucket).key(prefix + key)));
    }

    @Override
    public List<Entry> list(String begin) {
        return call(
                begin,
                () -> {
                    List<Entry> entries = new ArrayList<>();
                    for (S3Object each :
                            client.listObjectsV2Paginator(
                                            b -> b.bucket(bucket).prefix(prefix + begin))
                                    .contents()) {
                        entries.add(
                                new Entry(
                                        each.key().substring(prefix.length()),
                                        each.size(),
                                        each.lastModified()));
                    }
                    return entries;
                });
    }

    /// Messages are made of status and code alone: what a store answers may repeat what was sent.
    private <T> T call(String key, Supplier<T> request) {
        try {
            return request.get();
        } catch (AwsServiceException e) {
            throw refused(key, e);
        } catch (SdkClientException e) {
            boolean credentials = String.valueOf(e.getMessage()).contains("credentials");
            throw credentials
                    ? new EngineException(
                            Reason.SOURCE_FORBIDDEN,
                            address(key)
                                    + ": no credentials: set AWS_ACCESS_KEY_ID and"
                                    + " AWS_SECRET_ACCESS_KEY, or a profile (AWS_PROFILE)")
                    : new EngineException(
                            Reason.SOURCE_UNAVAILABLE,
                            address(key) + ": the store cannot be reached: " + cause(e),
                            e);
        }
    }

    private static String cause(Throwable e) {
        Throwable root = e;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        return root.getClass().getSimpleName()
                + (root instanceof IOException ? ": " + root.getMessage() : "");
    }

    private EngineException refused(String key, AwsServiceException e) {
        String code =
                e.awsErrorDetails() == null || e.awsErrorDetails().errorCode() == null
                        ? ""
                        : " " + e.awsErrorDetails().errorCode();
        String answer = address(key) + ": the store answers " + e.statusCode() + code;
        return switch (e.statusCode()) {
            case 404 ->
                    new EngineException(
                            Reason.SOURCE_NOT_FOUND,
                            answer + ": is the bucket '" + bucket + "' there?");
            case 401, 403 ->
                    new EngineException(
                            Reason.SOURCE_FORBIDDEN,
                            answer + ": the credentials are wrong or do not allow this");
            case 301, 307, 400 ->
                    new EngineException(
                            Reason.SOURCE_FORBIDDEN,
                            answer + ": are credentials, region and endpoint those of the bucket?");
            default -> new EngineException(Reason.SOURCE_UNAVAILABLE, answer);
        };
    }

    @Override
    public void close() {
        client.close();
    }
}
