-- A schema with everything that backups are known to trip over. Runs on every engine; nasty-charsets.sql holds what OceanBase's
-- stand-alone engine refuses.
-- Three databases as an OMS installation has them; {rm}, {cm} and {hb} are replaced by their names.
CREATE DATABASE `{rm}` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE DATABASE `{cm}` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
CREATE DATABASE `{hb}` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
CREATE TABLE `{rm}`.`parent` (`id` int NOT NULL AUTO_INCREMENT, `v` varchar(200) COMMENT 'it''s a REFERENCES `{rm}`.`parent` in a comment; with \\ and "', PRIMARY KEY (`id`)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE `{rm}`.`child` (`id` bigint unsigned NOT NULL AUTO_INCREMENT, `parent_id` int, `note` varchar(300) DEFAULT 'REFERENCES `{rm}`.`parent`(`id`)', PRIMARY KEY (`id`), CONSTRAINT `fk_child` FOREIGN KEY (`parent_id`) REFERENCES `{rm}`.`parent` (`id`), CONSTRAINT `ck_child` CHECK (`parent_id` > 0)) AUTO_INCREMENT=1000;
CREATE TABLE `{cm}`.`across` (`id` int NOT NULL PRIMARY KEY, `parent_id` int, CONSTRAINT `fk_across` FOREIGN KEY (`parent_id`) REFERENCES `{rm}`.`parent` (`id`));
CREATE TABLE `{rm}`.`types` (
  `id` int NOT NULL PRIMARY KEY, `t` tinyint unsigned, `b` bit(1), `bb` bit(64), `d` decimal(65,30), `f` float, `g` double, `y` year, `dt` date, `tm` time, `dtm` datetime(3),
  `ts` timestamp(6) NULL DEFAULT NULL, `e` enum('a','b','ü') , `s` set('x','y','z'), `j` json, `c` char(10), `vb` varbinary(100), `bn` binary(8), `bl` blob, `lb` longblob, `tx` longtext,
  `gen` int GENERATED ALWAYS AS (`id` + 1) VIRTUAL, `last` varchar(10) NOT NULL DEFAULT ''
) DEFAULT CHARSET=utf8mb4;
INSERT INTO `{rm}`.`types` (`id`,`t`,`b`,`bb`,`d`,`f`,`g`,`y`,`dt`,`tm`,`dtm`,`ts`,`e`,`s`,`j`,`c`,`vb`,`bn`,`bl`,`lb`,`tx`,`last`) VALUES
 (1, 255, b'1', b'1111111100000000111111110000000011111111000000001111111100000001', -12345678901234567890123456789012345.123456789012345678901234567891, 3.4e38, -1.7976931348623157e308, 2155, '9999-12-31', '-838:59:59', '2026-11-23 07:00:00.123', '2026-11-23 07:00:00.123456', 'b', 'x,z', '{"a": [1, 2, {"b": "q\\"uote", "n": null}], "e": "😀"}', 'pad', x'00FF27225C0A0D1A00', x'0102', x'0000', x'00010203', 'line\nbreak\ttab\\back''quote"double` tick', ''),
 (2, 0, b'0', b'0', 0.000000000000000000000000000001, -1e-38, 2.2250738585072014e-308, 1901, '1000-01-01', '00:00:00', '1000-01-01 00:00:00.000', '1970-01-01 00:00:01.000000', 'ü', '', '[]', '', '', '', '', '', '', 'x'),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'NULL'),
 (4, 1, b'1', b'10', 1, 0.1, 0.1, 2026, '2026-02-28', '12:34:56', '2026-03-29 02:30:00.000', '2026-10-25 00:30:00.000000', 'a', 'x,y,z', '"REFERENCES `{rm}`.`parent`"', '  lead', x'7F', x'FFFFFFFFFFFFFFFF', x'C328', x'', 'INSERT INTO `x` VALUES (1);\n-- Dump completed\n/*!50001 DROP TABLE `parent` */;', '0x00');
INSERT INTO `{rm}`.`parent` (`id`,`v`) VALUES (1,'one'),(2,'REFERENCES `{rm}`.'),(3,'); DROP TABLE `{rm}`.`parent`; --'),(7,'😀 汉字 ñ');
INSERT INTO `{rm}`.`child` (`parent_id`,`note`) VALUES (1,'a'),(2,DEFAULT),(7,NULL);
INSERT INTO `{cm}`.`across` VALUES (1,1),(2,7),(3,NULL);
CREATE TABLE `{rm}`.`empty` (`id` int NOT NULL PRIMARY KEY, `x` text);
CREATE TABLE `{rm}`.`back``tick` (`a``b` int, `col(1),` varchar(20), KEY `k``1` (`a``b`));
INSERT INTO `{rm}`.`back``tick` VALUES (1,'x'),(1,'x'),(1,'x'),(NULL,NULL);
CREATE TABLE `{rm}`.`汉字表` (`名` varchar(50) COMMENT '名字', `值` int, UNIQUE KEY `唯一` (`名`));
INSERT INTO `{rm}`.`汉字表` VALUES ('甲',1),('乙',2);
CREATE TABLE `{rm}`.`order` (`select` int NOT NULL, `from` varchar(10), PRIMARY KEY (`select`));
INSERT INTO `{rm}`.`order` VALUES (1,'group');
CREATE TABLE `{rm}`.`parts` (`id` int NOT NULL, `v` varchar(20), PRIMARY KEY (`id`)) PARTITION BY RANGE (`id`) (PARTITION `p0` VALUES LESS THAN (10), PARTITION `p1` VALUES LESS THAN (100), PARTITION `pm` VALUES LESS THAN MAXVALUE);
INSERT INTO `{rm}`.`parts` VALUES (1,'a'),(50,'b'),(5000,'c');
CREATE TABLE `{rm}`.`no_key` (`a` int, `b` varchar(20));
INSERT INTO `{rm}`.`no_key` VALUES (1,'dup'),(1,'dup'),(2,'');
CREATE TABLE `{cm}`.`host` (`id` int NOT NULL AUTO_INCREMENT PRIMARY KEY, `ip` varchar(64), `host_status` varchar(20));
INSERT INTO `{cm}`.`host` (`ip`,`host_status`) VALUES ('10.0.0.1','ONLINE');
CREATE TABLE `{hb}`.`heart_beat` (`task_type` varchar(30), `task_name` varchar(60), `host_ip` varchar(60), `gmt_created` datetime, `gmt_modified` datetime);
INSERT INTO `{hb}`.`heart_beat` VALUES ('T','supervisor','10.0.0.1','2026-11-23 07:00:00','2026-11-23 07:00:00');
CREATE TABLE `{hb}`.`heatbeat_sequence` (`id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, `gmt_created` datetime, `gmt_modified` datetime);
INSERT INTO `{hb}`.`heatbeat_sequence` (`gmt_created`) VALUES ('2026-11-23 07:00:00'),('2026-11-23 07:00:01');
CREATE VIEW `{rm}`.`v_children` AS SELECT `c`.`id` AS `id`, `p`.`v` AS `v`, 'REFERENCES `{rm}`.' AS `lit` FROM `{rm}`.`child` `c` JOIN `{rm}`.`parent` `p` ON `c`.`parent_id` = `p`.`id`;
CREATE VIEW `{rm}`.`a_view_of_view` AS SELECT `{rm}`.`id` AS `id` FROM `{rm}`.`v_children` `{rm}`;
CREATE VIEW `{cm}`.`v_across` AS SELECT `a`.`id` AS `id` FROM `{cm}`.`across` `a` JOIN `{rm}`.`parent` `p` ON `a`.`parent_id` = `p`.`id`;
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE `{rm}`.`zeroes` (`id` INT PRIMARY KEY AUTO_INCREMENT, `d` DATE NOT NULL, `dt` DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', `ts` TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00', `y` YEAR NOT NULL);
INSERT INTO `{rm}`.`zeroes` VALUES (0, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00', 0), (-1, '2026-00-00', '2026-01-00 00:00:00', '1970-01-01 09:00:01', 1999);
CREATE TABLE `{rm}`.`computed` (`a` INT, `s` INT GENERATED ALWAYS AS (`a` * 2) STORED, `b` VARCHAR(20), `v` VARCHAR(40) GENERATED ALWAYS AS (CONCAT(`b`, '/*')) VIRTUAL, KEY (`s`));
INSERT INTO `{rm}`.`computed` (`a`, `b`) VALUES (1, '*/'), (NULL, '/*!50001');
CREATE TABLE `{rm}`.`shapes` (`id` INT PRIMARY KEY, `p` POINT NOT NULL, `g` GEOMETRY);
INSERT INTO `{rm}`.`shapes` VALUES (1, ST_GeomFromText('POINT(1 2)'), ST_GeomFromText('LINESTRING(0 0, 1 1)')), (2, ST_GeomFromText('POINT(-1e300 5e-324)'), NULL);
CREATE TABLE `{rm}`.`hidden` (`id` INT PRIMARY KEY, `h` VARCHAR(10) INVISIBLE DEFAULT 'x', `z` INT(6) ZEROFILL);
INSERT INTO `{rm}`.`hidden` (`id`, `h`, `z`) VALUES (1, 'seen', 42);
CREATE TABLE `{rm}`.`negatives` (`f` FLOAT(7,4), `d` DOUBLE(10,3), `n` DECIMAL(5,0) UNSIGNED, `b` BIGINT, `u` BIGINT UNSIGNED);
INSERT INTO `{rm}`.`negatives` VALUES (-0.0, -0.0, 0, -9223372036854775808, 18446744073709551615);
CREATE TABLE `{rm}`.`a.b;c -- d` (`x
y` INT COMMENT 'line
break', `CREATE TABLE ``t``` INT);
INSERT INTO `{rm}`.`a.b;c -- d` VALUES (1, 2);
CREATE TABLE `{rm}`.`float_digits` (`id` INT PRIMARY KEY, `f` FLOAT);
INSERT INTO `{rm}`.`float_digits` VALUES (1, 0.1), (2, 1e-38), (3, NULL);
