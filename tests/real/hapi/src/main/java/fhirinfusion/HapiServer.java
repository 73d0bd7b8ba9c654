package fhirinfusion;

import ca.uhn.fhir.batch2.api.IJobMaintenanceService;
import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.batch2.jobs.export.BulkDataExportProvider;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.interceptor.api.IInterceptorService;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.MemoryBinaryStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.PackageLoaderConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.r5.JpaR5Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirPostgresDialect;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.JpaSystemProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.searchparam.submit.config.SearchParamSubmitterConfig;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.topic.SubscriptionTopicConfig;
import ca.uhn.fhir.jpa.util.LoggingEmailSender;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.interceptor.RequestValidatingInterceptor;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import ca.uhn.fhir.validation.IValidatorModule;
import ca.uhn.fhir.validation.ResultSeverityEnum;
import jakarta.persistence.EntityManagerFactory;
import java.io.IOException;
import java.util.List;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.hl7.fhir.dstu2.model.Subscription;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.ApplicationContext;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/**
 * The HAPI FHIR JPA server, R4 or R5, on loopback.
 *
 * <pre>HapiServer PORT DATABASE [validate] [R5]</pre>
 *
 * Port 0 takes a free one. The database is H2 in the given file, so that a server that was killed comes back with what
 * it had acknowledged; or PostgreSQL, where a URL that begins with "jdbc:postgresql:" is given, user and password in it.
 * With "validate" it answers 422 to a resource in which HL7's validator finds an error. Prints "READY port=N" when it
 * answers.
 */
@Configuration
@Import({
  HapiJpaConfig.class, PackageLoaderConfig.class, JpaBatch2Config.class, Batch2JobsConfig.class,
  ThreadPoolFactoryConfig.class, SubscriptionChannelConfig.class, SubscriptionSubmitterConfig.class,
  SubscriptionProcessorConfig.class, SubscriptionTopicConfig.class, SearchParamSubmitterConfig.class
})
public class HapiServer {
  private static String database;

  private static boolean isPostgresql() {
    return database.startsWith("jdbc:postgresql:");
  }

  @Bean
  JpaStorageSettings storageSettings() {
    JpaStorageSettings settings = new JpaStorageSettings();
    settings.setReuseCachedSearchResultsForMillis(null); // a test must see what it wrote
    settings.setAutoCreatePlaceholderReferenceTargets(false);
    settings.setAllowExternalReferences(true);
    return settings;
  }

  @Bean
  SubscriptionSettings subscriptionSettings() {
    SubscriptionSettings settings = new SubscriptionSettings();
    settings.addSupportedSubscriptionType(Subscription.SubscriptionChannelType.RESTHOOK);
    settings.setSubscriptionIntervalInMs(1000);
    return settings;
  }

  @Bean
  PartitionSettings partitionSettings() {
    return new PartitionSettings();
  }

  @Bean
  IBinaryStorageSvc binaryStorage() {
    return new MemoryBinaryStorageSvcImpl();
  }

  @Bean
  IEmailSender emailSender() {
    return new LoggingEmailSender();
  }

  @Bean(destroyMethod = "close")
  DataSource dataSource() {
    BasicDataSource source = new BasicDataSource();
    if (isPostgresql()) {
      source.setUrl(database);
    } else {
      // WRITE_DELAY=0: an acknowledged write is on disk, or a test that kills the server would blame us for its loss.
      source.setUrl("jdbc:h2:file:" + database + ";DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0");
      source.setUsername("sa");
      source.setPassword("");
    }
    source.setMaxTotal(20);
    return source;
  }

  @Bean
  LocalContainerEntityManagerFactoryBean entityManagerFactory(
      ConfigurableListableBeanFactory beans, FhirContext context, JpaStorageSettings storage, DataSource source) {
    LocalContainerEntityManagerFactoryBean factory =
        HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, context, storage);
    factory.setPersistenceUnitName("fhir");
    factory.setDataSource(source);
    Properties properties = new Properties();
    properties.put("hibernate.hbm2ddl.auto", "update");
    properties.put(
        "hibernate.dialect", (isPostgresql() ? HapiFhirPostgresDialect.class : HapiFhirH2Dialect.class).getName());
    properties.put("hibernate.search.enabled", "false");
    properties.put("hibernate.jdbc.batch_size", "20");
    factory.setJpaProperties(properties);
    return factory;
  }

  @Bean
  @Primary
  JpaTransactionManager transactionManager(EntityManagerFactory factory) {
    return new JpaTransactionManager(factory);
  }

  public static void main(String[] args) {
    endWithInput();
    try {
      List<String> options = List.of(args).subList(2, args.length);
      database = args[1];
      serve(Integer.parseInt(args[0]), options.contains("validate"), options.contains("R5"));
    } catch (Throwable failure) {
      failure.printStackTrace();
      Runtime.getRuntime().halt(1); // Spring's threads would keep a half-started server alive
    }
  }

  private static void serve(int port, boolean validate, boolean isR5) throws Exception {
    Class<?> release = isR5 ? JpaR5Config.class : JpaR4Config.class;
    ApplicationContext beans = new AnnotationConfigApplicationContext(release, HapiServer.class);
    RestfulServer fhir = new RestfulServer(beans.getBean(FhirContext.class));
    fhir.registerProviders(beans.getBean(ResourceProviderFactory.class).createProviders());
    fhir.registerProvider(beans.getBean(isR5 ? "mySystemProviderR5" : "mySystemProviderR4", JpaSystemProvider.class));
    fhir.registerProvider(beans.getBean(BulkDataExportProvider.class));
    fhir.setServerConformanceProvider(
        new JpaCapabilityStatementProvider(
            fhir,
            beans.getBean(IFhirSystemDao.class),
            beans.getBean(JpaStorageSettings.class),
            beans.getBean(ISearchParamRegistry.class),
            beans.getBean(IValidationSupport.class)));
    fhir.setPagingProvider(beans.getBean(DatabaseBackedPagingProvider.class));
    fhir.setInterceptorService(beans.getBean(IInterceptorService.class));
    if (validate) {
      RequestValidatingInterceptor interceptor = new RequestValidatingInterceptor();
      interceptor.addValidatorModule(beans.getBean(IValidatorModule.class));
      interceptor.setFailOnSeverity(ResultSeverityEnum.ERROR);
      fhir.registerInterceptor(interceptor);
    }
    Server jetty = new Server();
    ServerConnector connector = new ServerConnector(jetty);
    connector.setHost("127.0.0.1");
    connector.setPort(port);
    jetty.addConnector(connector);
    ServletContextHandler handler = new ServletContextHandler("/");
    handler.addServlet(new ServletHolder(fhir), "/fhir/*");
    jetty.setHandler(handler);
    jetty.start();
    goOnWithJobs(beans.getBean(IJobMaintenanceService.class));
    System.out.println("READY port=" + connector.getLocalPort());
    jetty.join();
  }

  /** Lets the steps of a bulk export follow each other at once: they would wait for the next minute each. */
  private static void goOnWithJobs(IJobMaintenanceService jobs) {
    Thread going =
        new Thread(
            () -> {
              while (true) {
                try {
                  Thread.sleep(500);
                  jobs.runMaintenancePass();
                } catch (InterruptedException ended) {
                  return;
                } catch (RuntimeException failed) {
                  // the next pass finds what this one left
                }
              }
            });
    going.setDaemon(true);
    going.start();
  }

  /** Ends the process where its input ends: who started it is gone, however it ended. */
  private static void endWithInput() {
    Thread waiting =
        new Thread(
            () -> {
              try {
                while (System.in.read() >= 0) {}
              } catch (IOException gone) {
                // as its end
              }
              Runtime.getRuntime().halt(1);
            });
    waiting.setDaemon(true);
    waiting.start();
  }
}
